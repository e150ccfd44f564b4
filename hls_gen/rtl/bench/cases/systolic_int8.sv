// Prefill engine: 2 tokens x 4 channels of int8, behind it a reader that holds it up.
module case_systolic_int8 (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [43:0] data
);
  wire [2:0] ended;
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
  for (genvar u = 0; u < 1; ++u) begin : g_unit
    engine_unit #(
        .ROWS(2), .COLUMNS(4), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(6), .BLOCKS(3),
        .WEIGHT_SEED(10 + u), .RESULT_DEPTH(4), .RESULT_INTERVAL(6)
    ) unit (
        .clk, .reset, .start, .in(operands), .in_valid(feed_valid[u]), .in_ready(feed_ready[u]), .fire(fire[u]),
        .data(data[u*44+:44]), .finished(ended[2+u])
    );
  end
endmodule
