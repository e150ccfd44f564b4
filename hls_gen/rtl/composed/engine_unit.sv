// One unit of a linear engine: FIFOs of operands, weights and results around an array, a source of its weights, a sink of its results.
module engine_unit #(
    parameter int ROWS = 1,
    parameter int COLUMNS = 4,
    parameter int KIND = 1,
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 4,
    parameter int ACC = 15,
    parameter int D_IN = 64,
    parameter int PASSES = 2,
    parameter int BLOCKS = 1,
    parameter int WEIGHT_INTERVAL = 1,
    parameter int WEIGHT_SEED = 10,
    parameter int RESULT_DEPTH = 4,
    parameter int RESULT_INTERVAL = 1
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   start,
    input  logic [ROWS*X_BITS-1:0] in,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic                   fire,
    output logic [   ROWS*ACC-1:0] data,
    output logic                   finished
);
  wire [2:0] ended;
  assign finished = &ended;
  wire [ROWS*X_BITS-1:0] x;
  wire x_valid, x_ready;
  fifo_registers #(.WIDTH(ROWS * X_BITS), .DEPTH(2)) operands (
      .clk, .reset, .in, .in_valid, .in_ready, .out(x), .out_valid(x_valid), .out_ready(x_ready)
  );
  wire [COLUMNS*W_BITS-1:0] w_in, w;
  wire w_in_valid, w_in_ready, w_valid, w_ready;
  fifo_registers #(.WIDTH(COLUMNS * W_BITS), .DEPTH(4)) weights (
      .clk, .reset, .in(w_in), .in_valid(w_in_valid), .in_ready(w_in_ready), .out(w), .out_valid(w_valid),
      .out_ready(w_ready)
  );
  word_source #(
      .WORDS(D_IN * PASSES * BLOCKS), .INTERVAL(WEIGHT_INTERVAL), .LANES(COLUMNS), .BITS(W_BITS), .FLOATS(0),
      .SEED(WEIGHT_SEED)
  ) weight_source (
      .clk, .reset, .start, .out(w_in), .out_valid(w_in_valid), .out_ready(w_in_ready), .finished(ended[0])
  );
  wire [ROWS*ACC-1:0] y;
  wire y_valid, y_ready, data_valid, data_ready;
  array_process #(
      .ROWS(ROWS), .COLUMNS(COLUMNS), .KIND(KIND), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC),
      .D_IN(D_IN), .PASSES(PASSES), .BLOCKS(BLOCKS)
  ) array (
      .clk, .reset, .start, .x, .x_valid, .x_ready, .w, .w_valid, .w_ready, .out(y), .out_valid(y_valid),
      .out_ready(y_ready), .finished(ended[1])
  );
  fifo_registers #(.WIDTH(ROWS * ACC), .DEPTH(RESULT_DEPTH)) results (
      .clk, .reset, .in(y), .in_valid(y_valid), .in_ready(y_ready), .out(data), .out_valid(data_valid),
      .out_ready(data_ready)
  );
  word_sink #(.WORDS(COLUMNS * PASSES * BLOCKS), .INTERVAL(RESULT_INTERVAL)) result_sink (
      .clk, .reset, .start, .in_valid(data_valid), .in_ready(data_ready), .finished(ended[2])
  );
  assign fire = data_valid && data_ready;
endmodule
