// Takes WORDS words from a FIFO, one every INTERVAL cycles.
module word_sink #(
    parameter int WORDS = 16,
    parameter int INTERVAL = 1
) (
    input  logic clk,
    input  logic reset,
    input  logic start,
    input  logic in_valid,
    output logic in_ready,
    output logic finished
);
  pipelined_process #(.BITS(32), .INTERVAL(INTERVAL)) control (
      .clk, .reset, .start, .bounds(32'(WORDS)), .takes(1'b1), .in_valid, .in_ready, .gives(1'b0), .out_valid(),
      .out_ready(1'b0), .enable(), .stage(), .first(), .last(), .counters(), .finished
  );
endmodule
