// Prefill engine: 4 tokens x 16 channels of int4 in two sub-arrays, a ragged last pass, two blocks.
module case_systolic_int4 (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [1:0] fire,
    output logic [119:0] data
);
  wire [7:0] ended;
  assign finished = &ended;
  wire [15:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(192), .INTERVAL(1), .LANES(4), .BITS(4), .FLOATS(0), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [15:0] operands;
  wire [1:0] feed_valid, feed_ready;
  token_feeder #(.WIDTH(16), .D_IN(96), .PASSES(3), .BLOCKS(2), .SUBS(2)) feeder (
      .clk, .reset, .start, .in(x_out), .in_valid(x_valid), .in_ready(x_ready), .out(operands), .out_valid(feed_valid),
      .out_ready(feed_ready), .finished(ended[1])
  );
  wire [15:0] o0_in, o0_out;
  wire o0_in_valid, o0_in_ready, o0_valid, o0_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(2)) o0 (
      .clk, .reset, .in(o0_in), .in_valid(o0_in_valid), .in_ready(o0_in_ready), .out(o0_out), .out_valid(o0_valid),
      .out_ready(o0_ready)
  );
  assign o0_in = operands;
  assign o0_in_valid = feed_valid[0];
  assign feed_ready[0] = o0_in_ready;
  wire [31:0] w0_in, w0_out;
  wire w0_in_valid, w0_in_ready, w0_valid, w0_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(4)) w0 (
      .clk, .reset, .in(w0_in), .in_valid(w0_in_valid), .in_ready(w0_in_ready), .out(w0_out), .out_valid(w0_valid),
      .out_ready(w0_ready)
  );
  word_source #(.WORDS(576), .INTERVAL(1), .LANES(8), .BITS(4), .FLOATS(0), .SEED(10)) w0_source (
      .clk, .reset, .start, .out(w0_in), .out_valid(w0_in_valid), .out_ready(w0_in_ready), .finished(ended[2])
  );
  wire [59:0] y0_in, y0_out;
  wire y0_in_valid, y0_in_ready, y0_valid, y0_ready;
  fifo_registers #(.WIDTH(60), .DEPTH(4)) y0 (
      .clk, .reset, .in(y0_in), .in_valid(y0_in_valid), .in_ready(y0_in_ready), .out(y0_out), .out_valid(y0_valid),
      .out_ready(y0_ready)
  );
  array_process #(
      .ROWS(4), .COLUMNS(8), .KIND(1), .X_BITS(4), .X_SIGNED(0), .W_BITS(4), .ACC(15), .D_IN(96), .PASSES(3),
      .BLOCKS(2)
  ) array_0 (
      .clk, .reset, .start, .x(o0_out), .x_valid(o0_valid), .x_ready(o0_ready), .w(w0_out), .w_valid(w0_valid),
      .w_ready(w0_ready), .out(y0_in), .out_valid(y0_in_valid), .out_ready(y0_in_ready), .finished(ended[3])
  );
  word_sink #(.WORDS(48), .INTERVAL(1)) y0_sink (
      .clk, .reset, .start, .in_valid(y0_valid), .in_ready(y0_ready), .finished(ended[4])
  );
  assign fire[0] = y0_valid && y0_ready;
  assign data[0+:60] = 60'(y0_out);
  wire [15:0] o1_in, o1_out;
  wire o1_in_valid, o1_in_ready, o1_valid, o1_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(2)) o1 (
      .clk, .reset, .in(o1_in), .in_valid(o1_in_valid), .in_ready(o1_in_ready), .out(o1_out), .out_valid(o1_valid),
      .out_ready(o1_ready)
  );
  assign o1_in = operands;
  assign o1_in_valid = feed_valid[1];
  assign feed_ready[1] = o1_in_ready;
  wire [31:0] w1_in, w1_out;
  wire w1_in_valid, w1_in_ready, w1_valid, w1_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(4)) w1 (
      .clk, .reset, .in(w1_in), .in_valid(w1_in_valid), .in_ready(w1_in_ready), .out(w1_out), .out_valid(w1_valid),
      .out_ready(w1_ready)
  );
  word_source #(.WORDS(576), .INTERVAL(1), .LANES(8), .BITS(4), .FLOATS(0), .SEED(11)) w1_source (
      .clk, .reset, .start, .out(w1_in), .out_valid(w1_in_valid), .out_ready(w1_in_ready), .finished(ended[5])
  );
  wire [59:0] y1_in, y1_out;
  wire y1_in_valid, y1_in_ready, y1_valid, y1_ready;
  fifo_registers #(.WIDTH(60), .DEPTH(4)) y1 (
      .clk, .reset, .in(y1_in), .in_valid(y1_in_valid), .in_ready(y1_in_ready), .out(y1_out), .out_valid(y1_valid),
      .out_ready(y1_ready)
  );
  array_process #(
      .ROWS(4), .COLUMNS(8), .KIND(1), .X_BITS(4), .X_SIGNED(0), .W_BITS(4), .ACC(15), .D_IN(96), .PASSES(3),
      .BLOCKS(2)
  ) array_1 (
      .clk, .reset, .start, .x(o1_out), .x_valid(o1_valid), .x_ready(o1_ready), .w(w1_out), .w_valid(w1_valid),
      .w_ready(w1_ready), .out(y1_in), .out_valid(y1_in_valid), .out_ready(y1_in_ready), .finished(ended[6])
  );
  word_sink #(.WORDS(48), .INTERVAL(1)) y1_sink (
      .clk, .reset, .start, .in_valid(y1_valid), .in_ready(y1_ready), .finished(ended[7])
  );
  assign fire[1] = y1_valid && y1_ready;
  assign data[60+:60] = 60'(y1_out);
endmodule
