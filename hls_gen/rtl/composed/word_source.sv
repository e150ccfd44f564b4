// Drives a FIFO: a word every INTERVAL cycles, WORDS of them. A word is LANES values of BITS bits that follow from SEED and the
// word's number (bench/composed.hpp has the same function); FLOATS 1: fp32 of a magnitude between 2^-7 and 2.
module word_source #(
    parameter int WORDS = 16,
    parameter int INTERVAL = 1,
    parameter int LANES = 1,
    parameter int BITS = 32,
    parameter bit FLOATS = 0,
    parameter int SEED = 0
) (
    input  logic                  clk,
    input  logic                  reset,
    input  logic                  start,
    output logic [LANES*BITS-1:0] out,
    output logic                  out_valid,
    input  logic                  out_ready,
    output logic                  finished
);
  function automatic logic [31:0] mixed(input logic [31:0] number, input logic [31:0] lane);
    logic [31:0] x = 32'(SEED) * 32'h9E3779B1 + number * 32'h85EBCA77 + lane * 32'hC2B2AE3D + 32'h27D4EB2F;
    x = (x ^ (x >> 15)) * 32'h2C1B3C6D;
    x = (x ^ (x >> 12)) * 32'h297A2D39;
    return x ^ (x >> 15);
  endfunction
  wire [31:0] number;
  for (genvar i = 0; i < LANES; ++i) begin : lane
    wire [31:0] x = mixed(number, 32'(i));
    wire [31:0] value = FLOATS ? {x[31], 5'b01111, x[30:28], x[22:0]} : x >> 8;
    assign out[i*BITS+:BITS] = value[BITS-1:0];
  end
  pipelined_process #(.BITS(32), .INTERVAL(INTERVAL)) control (
      .clk, .reset, .start, .bounds(32'(WORDS)), .takes(1'b0), .in_valid(1'b0), .in_ready(), .gives(1'b1),
      .out_valid, .out_ready, .enable(), .stage(), .first(), .last(), .counters(number), .finished
  );
endmodule
