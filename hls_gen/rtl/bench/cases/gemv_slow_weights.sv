// Decode engine: four lane units of 2 int8 channels whose weights come every other cycle.
module case_gemv_slow_weights (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [3:0] fire,
    output logic [87:0] data
);
  wire [5:0] ended;
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
  for (genvar u = 0; u < 4; ++u) begin : g_unit
    engine_unit #(
        .ROWS(1), .COLUMNS(2), .KIND(2), .X_BITS(8), .X_SIGNED(1), .W_BITS(8), .ACC(22), .D_IN(64), .PASSES(4), .BLOCKS(2),
        .WEIGHT_SEED(10 + u), .WEIGHT_INTERVAL(2), .RESULT_DEPTH(2)
    ) unit (
        .clk, .reset, .start, .in(operand), .in_valid(feed_valid[u]), .in_ready(feed_ready[u]), .fire(fire[u]),
        .data(data[u*22+:22]), .finished(ended[2+u])
    );
  end
endmodule
