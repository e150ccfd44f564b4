// Decode engine: two lane units of 4 int4 channels, weights at full rate, three tokens.
module case_gemv_int4 (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [1:0] fire,
    output logic [29:0] data
);
  wire [3:0] ended;
  assign finished = &ended;
  wire [7:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(8), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(144), .INTERVAL(1), .LANES(2), .BITS(4), .FLOATS(0), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [3:0] operand;
  wire [1:0] feed_valid, feed_ready;
  vector_feeder #(.GROUPS(2), .X_BITS(4), .D_IN(96), .PASSES(5), .TOKENS(3), .UNITS(2)) feeder (
      .clk, .reset, .start, .in(x_out), .in_valid(x_valid), .in_ready(x_ready), .out(operand), .out_valid(feed_valid),
      .out_ready(feed_ready), .finished(ended[1])
  );
  for (genvar u = 0; u < 2; ++u) begin : g_unit
    engine_unit #(
        .ROWS(1), .COLUMNS(4), .KIND(1), .X_BITS(4), .X_SIGNED(0), .W_BITS(4), .ACC(15), .D_IN(96), .PASSES(5), .BLOCKS(3),
        .WEIGHT_SEED(10 + u), .RESULT_DEPTH(4)
    ) unit (
        .clk, .reset, .start, .in(operand), .in_valid(feed_valid[u]), .in_ready(feed_ready[u]), .fire(fire[u]),
        .data(data[u*15+:15]), .finished(ended[2+u])
    );
  end
endmodule
