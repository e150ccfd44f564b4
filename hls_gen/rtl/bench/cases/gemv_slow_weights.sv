// Decode engine: four lane units of 2 int8 channels whose weights come every other cycle.
module case_gemv_slow_weights (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [3:0] fire,
    output logic [87:0] data
);
  wire [13:0] ended;
  assign finished = &ended;
  wire [31:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(32), .INTERVAL(1), .LANES(4), .BITS(8), .FLOATS(0), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [7:0] operand;
  wire [3:0] feed_valid, feed_ready;
  vector_feeder #(.GROUPS(4), .X_BITS(8), .D_IN(64), .PASSES(4), .TOKENS(2), .UNITS(4)) feeder (
      .clk, .reset, .start, .in(x_out), .in_valid(x_valid), .in_ready(x_ready), .out(operand), .out_valid(feed_valid),
      .out_ready(feed_ready), .finished(ended[1])
  );
  wire [7:0] o0_in, o0_out;
  wire o0_in_valid, o0_in_ready, o0_valid, o0_ready;
  fifo_registers #(.WIDTH(8), .DEPTH(2)) o0 (
      .clk, .reset, .in(o0_in), .in_valid(o0_in_valid), .in_ready(o0_in_ready), .out(o0_out), .out_valid(o0_valid),
      .out_ready(o0_ready)
  );
  assign o0_in = operand;
  assign o0_in_valid = feed_valid[0];
  assign feed_ready[0] = o0_in_ready;
  wire [15:0] w0_in, w0_out;
  wire w0_in_valid, w0_in_ready, w0_valid, w0_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(4)) w0 (
      .clk, .reset, .in(w0_in), .in_valid(w0_in_valid), .in_ready(w0_in_ready), .out(w0_out), .out_valid(w0_valid),
      .out_ready(w0_ready)
  );
  word_source #(.WORDS(512), .INTERVAL(2), .LANES(2), .BITS(8), .FLOATS(0), .SEED(10)) w0_source (
      .clk, .reset, .start, .out(w0_in), .out_valid(w0_in_valid), .out_ready(w0_in_ready), .finished(ended[2])
  );
  wire [21:0] y0_in, y0_out;
  wire y0_in_valid, y0_in_ready, y0_valid, y0_ready;
  fifo_registers #(.WIDTH(22), .DEPTH(2)) y0 (
      .clk, .reset, .in(y0_in), .in_valid(y0_in_valid), .in_ready(y0_in_ready), .out(y0_out), .out_valid(y0_valid),
      .out_ready(y0_ready)
  );
  array_process #(
      .ROWS(1), .COLUMNS(2), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(4), .BLOCKS(2)
  ) lane_unit_0 (
      .clk, .reset, .start, .x(o0_out), .x_valid(o0_valid), .x_ready(o0_ready), .w(w0_out), .w_valid(w0_valid),
      .w_ready(w0_ready), .out(y0_in), .out_valid(y0_in_valid), .out_ready(y0_in_ready), .finished(ended[3])
  );
  word_sink #(.WORDS(16), .INTERVAL(1)) y0_sink (
      .clk, .reset, .start, .in_valid(y0_valid), .in_ready(y0_ready), .finished(ended[4])
  );
  assign fire[0] = y0_valid && y0_ready;
  assign data[0+:22] = 22'(y0_out);
  wire [7:0] o1_in, o1_out;
  wire o1_in_valid, o1_in_ready, o1_valid, o1_ready;
  fifo_registers #(.WIDTH(8), .DEPTH(2)) o1 (
      .clk, .reset, .in(o1_in), .in_valid(o1_in_valid), .in_ready(o1_in_ready), .out(o1_out), .out_valid(o1_valid),
      .out_ready(o1_ready)
  );
  assign o1_in = operand;
  assign o1_in_valid = feed_valid[1];
  assign feed_ready[1] = o1_in_ready;
  wire [15:0] w1_in, w1_out;
  wire w1_in_valid, w1_in_ready, w1_valid, w1_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(4)) w1 (
      .clk, .reset, .in(w1_in), .in_valid(w1_in_valid), .in_ready(w1_in_ready), .out(w1_out), .out_valid(w1_valid),
      .out_ready(w1_ready)
  );
  word_source #(.WORDS(512), .INTERVAL(2), .LANES(2), .BITS(8), .FLOATS(0), .SEED(11)) w1_source (
      .clk, .reset, .start, .out(w1_in), .out_valid(w1_in_valid), .out_ready(w1_in_ready), .finished(ended[5])
  );
  wire [21:0] y1_in, y1_out;
  wire y1_in_valid, y1_in_ready, y1_valid, y1_ready;
  fifo_registers #(.WIDTH(22), .DEPTH(2)) y1 (
      .clk, .reset, .in(y1_in), .in_valid(y1_in_valid), .in_ready(y1_in_ready), .out(y1_out), .out_valid(y1_valid),
      .out_ready(y1_ready)
  );
  array_process #(
      .ROWS(1), .COLUMNS(2), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(4), .BLOCKS(2)
  ) lane_unit_1 (
      .clk, .reset, .start, .x(o1_out), .x_valid(o1_valid), .x_ready(o1_ready), .w(w1_out), .w_valid(w1_valid),
      .w_ready(w1_ready), .out(y1_in), .out_valid(y1_in_valid), .out_ready(y1_in_ready), .finished(ended[6])
  );
  word_sink #(.WORDS(16), .INTERVAL(1)) y1_sink (
      .clk, .reset, .start, .in_valid(y1_valid), .in_ready(y1_ready), .finished(ended[7])
  );
  assign fire[1] = y1_valid && y1_ready;
  assign data[22+:22] = 22'(y1_out);
  wire [7:0] o2_in, o2_out;
  wire o2_in_valid, o2_in_ready, o2_valid, o2_ready;
  fifo_registers #(.WIDTH(8), .DEPTH(2)) o2 (
      .clk, .reset, .in(o2_in), .in_valid(o2_in_valid), .in_ready(o2_in_ready), .out(o2_out), .out_valid(o2_valid),
      .out_ready(o2_ready)
  );
  assign o2_in = operand;
  assign o2_in_valid = feed_valid[2];
  assign feed_ready[2] = o2_in_ready;
  wire [15:0] w2_in, w2_out;
  wire w2_in_valid, w2_in_ready, w2_valid, w2_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(4)) w2 (
      .clk, .reset, .in(w2_in), .in_valid(w2_in_valid), .in_ready(w2_in_ready), .out(w2_out), .out_valid(w2_valid),
      .out_ready(w2_ready)
  );
  word_source #(.WORDS(512), .INTERVAL(2), .LANES(2), .BITS(8), .FLOATS(0), .SEED(12)) w2_source (
      .clk, .reset, .start, .out(w2_in), .out_valid(w2_in_valid), .out_ready(w2_in_ready), .finished(ended[8])
  );
  wire [21:0] y2_in, y2_out;
  wire y2_in_valid, y2_in_ready, y2_valid, y2_ready;
  fifo_registers #(.WIDTH(22), .DEPTH(2)) y2 (
      .clk, .reset, .in(y2_in), .in_valid(y2_in_valid), .in_ready(y2_in_ready), .out(y2_out), .out_valid(y2_valid),
      .out_ready(y2_ready)
  );
  array_process #(
      .ROWS(1), .COLUMNS(2), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(4), .BLOCKS(2)
  ) lane_unit_2 (
      .clk, .reset, .start, .x(o2_out), .x_valid(o2_valid), .x_ready(o2_ready), .w(w2_out), .w_valid(w2_valid),
      .w_ready(w2_ready), .out(y2_in), .out_valid(y2_in_valid), .out_ready(y2_in_ready), .finished(ended[9])
  );
  word_sink #(.WORDS(16), .INTERVAL(1)) y2_sink (
      .clk, .reset, .start, .in_valid(y2_valid), .in_ready(y2_ready), .finished(ended[10])
  );
  assign fire[2] = y2_valid && y2_ready;
  assign data[44+:22] = 22'(y2_out);
  wire [7:0] o3_in, o3_out;
  wire o3_in_valid, o3_in_ready, o3_valid, o3_ready;
  fifo_registers #(.WIDTH(8), .DEPTH(2)) o3 (
      .clk, .reset, .in(o3_in), .in_valid(o3_in_valid), .in_ready(o3_in_ready), .out(o3_out), .out_valid(o3_valid),
      .out_ready(o3_ready)
  );
  assign o3_in = operand;
  assign o3_in_valid = feed_valid[3];
  assign feed_ready[3] = o3_in_ready;
  wire [15:0] w3_in, w3_out;
  wire w3_in_valid, w3_in_ready, w3_valid, w3_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(4)) w3 (
      .clk, .reset, .in(w3_in), .in_valid(w3_in_valid), .in_ready(w3_in_ready), .out(w3_out), .out_valid(w3_valid),
      .out_ready(w3_ready)
  );
  word_source #(.WORDS(512), .INTERVAL(2), .LANES(2), .BITS(8), .FLOATS(0), .SEED(13)) w3_source (
      .clk, .reset, .start, .out(w3_in), .out_valid(w3_in_valid), .out_ready(w3_in_ready), .finished(ended[11])
  );
  wire [21:0] y3_in, y3_out;
  wire y3_in_valid, y3_in_ready, y3_valid, y3_ready;
  fifo_registers #(.WIDTH(22), .DEPTH(2)) y3 (
      .clk, .reset, .in(y3_in), .in_valid(y3_in_valid), .in_ready(y3_in_ready), .out(y3_out), .out_valid(y3_valid),
      .out_ready(y3_ready)
  );
  array_process #(
      .ROWS(1), .COLUMNS(2), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(4), .BLOCKS(2)
  ) lane_unit_3 (
      .clk, .reset, .start, .x(o3_out), .x_valid(o3_valid), .x_ready(o3_ready), .w(w3_out), .w_valid(w3_valid),
      .w_ready(w3_ready), .out(y3_in), .out_valid(y3_in_valid), .out_ready(y3_in_ready), .finished(ended[12])
  );
  word_sink #(.WORDS(16), .INTERVAL(1)) y3_sink (
      .clk, .reset, .start, .in_valid(y3_valid), .in_ready(y3_ready), .finished(ended[13])
  );
  assign fire[3] = y3_valid && y3_ready;
  assign data[66+:22] = 22'(y3_out);
endmodule
