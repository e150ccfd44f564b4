// Prefill engine: 2 tokens x 4 channels of int8, behind it a reader that holds it up.
module case_systolic_int8 (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [43:0] data
);
  wire [4:0] ended;
  assign finished = &ended;
  wire [15:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(192), .INTERVAL(1), .LANES(2), .BITS(8), .FLOATS(0), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [15:0] operands;
  wire [0:0] feed_valid, feed_ready;
  token_feeder #(.WIDTH(16), .D_IN(64), .PASSES(6), .BLOCKS(3), .SUBS(1)) feeder (
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
  word_source #(.WORDS(1152), .INTERVAL(1), .LANES(4), .BITS(8), .FLOATS(0), .SEED(10)) w0_source (
      .clk, .reset, .start, .out(w0_in), .out_valid(w0_in_valid), .out_ready(w0_in_ready), .finished(ended[2])
  );
  wire [43:0] y0_in, y0_out;
  wire y0_in_valid, y0_in_ready, y0_valid, y0_ready;
  fifo_registers #(.WIDTH(44), .DEPTH(4)) y0 (
      .clk, .reset, .in(y0_in), .in_valid(y0_in_valid), .in_ready(y0_in_ready), .out(y0_out), .out_valid(y0_valid),
      .out_ready(y0_ready)
  );
  array_process #(
      .ROWS(2), .COLUMNS(4), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(6),
      .BLOCKS(3)
  ) array_0 (
      .clk, .reset, .start, .x(o0_out), .x_valid(o0_valid), .x_ready(o0_ready), .w(w0_out), .w_valid(w0_valid),
      .w_ready(w0_ready), .out(y0_in), .out_valid(y0_in_valid), .out_ready(y0_in_ready), .finished(ended[3])
  );
  word_sink #(.WORDS(72), .INTERVAL(6)) y0_sink (
      .clk, .reset, .start, .in_valid(y0_valid), .in_ready(y0_ready), .finished(ended[4])
  );
  assign fire[0] = y0_valid && y0_ready;
  assign data[0+:44] = 44'(y0_out);
endmodule
