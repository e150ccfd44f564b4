// Prefill engine: 4 tokens x 16 channels of int4 in two sub-arrays, a ragged last pass, two blocks.
module case_systolic_int4 (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [1:0] fire,
    output logic [119:0] data
);
  wire [3:0] ended;
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
  for (genvar u = 0; u < 2; ++u) begin : g_unit
    engine_unit #(
        .ROWS(4), .COLUMNS(8), .KIND(1), .X_BITS(4), .X_SIGNED(0), .W_BITS(4), .ACC(15), .D_IN(96), .PASSES(3), .BLOCKS(2),
        .WEIGHT_SEED(10 + u), .RESULT_DEPTH(4)
    ) unit (
        .clk, .reset, .start, .in(operands), .in_valid(feed_valid[u]), .in_ready(feed_ready[u]), .fire(fire[u]),
        .data(data[u*60+:60]), .finished(ended[2+u])
    );
  end
endmodule
