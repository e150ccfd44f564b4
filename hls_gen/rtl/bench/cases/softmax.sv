// Causal softmax of two rows and two query heads over 48 keys, two units.
module case_softmax (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [1:0] fire,
    output logic [127:0] data
);
  wire [3:0] ended;
  assign finished = &ended;
  wire [63:0] scores_in, scores_out;
  wire scores_in_valid, scores_in_ready, scores_valid, scores_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) scores (
      .clk, .reset, .in(scores_in), .in_valid(scores_in_valid), .in_ready(scores_in_ready), .out(scores_out), .out_valid(scores_valid),
      .out_ready(scores_ready)
  );
  word_source #(.WORDS(192), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(1)) scores_source (
      .clk, .reset, .start, .out(scores_in), .out_valid(scores_in_valid), .out_ready(scores_in_ready), .finished(ended[0])
  );
  wire [15:0] weights_in, weights_out;
  wire weights_in_valid, weights_in_ready, weights_valid, weights_ready;
  fifo_registers #(.WIDTH(16), .DEPTH(2)) weights (
      .clk, .reset, .in(weights_in), .in_valid(weights_in_valid), .in_ready(weights_in_ready), .out(weights_out), .out_valid(weights_valid),
      .out_ready(weights_ready)
  );
  wire [63:0] sums_in, sums_out;
  wire sums_in_valid, sums_in_ready, sums_valid, sums_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) sums (
      .clk, .reset, .in(sums_in), .in_valid(sums_in_valid), .in_ready(sums_in_ready), .out(sums_out), .out_valid(sums_valid),
      .out_ready(sums_ready)
  );
  softmax_process #(.ROWS(2), .GROUPS(2), .P_BITS(8), .KEYS(48), .POSITION(20), .UNITS(2)) unit (
      .clk, .reset, .start, .in(scores_out), .in_valid(scores_valid), .in_ready(scores_ready), .weight(weights_in),
      .weight_valid(weights_in_valid), .weight_ready(weights_in_ready), .sum(sums_in), .sum_valid(sums_in_valid),
      .sum_ready(sums_in_ready), .finished(ended[1])
  );
  word_sink #(.WORDS(192), .INTERVAL(1)) weights_sink (
      .clk, .reset, .start, .in_valid(weights_valid), .in_ready(weights_ready), .finished(ended[2])
  );
  assign fire[0] = weights_valid && weights_ready;
  assign data[0+:64] = 64'(weights_out);
  word_sink #(.WORDS(4), .INTERVAL(1)) sums_sink (
      .clk, .reset, .start, .in_valid(sums_valid), .in_ready(sums_ready), .finished(ended[3])
  );
  assign fire[1] = sums_valid && sums_ready;
  assign data[64+:64] = 64'(sums_out);
endmodule
