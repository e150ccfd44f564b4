// hadamard_butterflies (hadamard.hpp) of a power of two: a word a cycle through the butterflies in a word and one stage a stride.
module hadamard_butterflies #(
    parameter int N = 64,
    parameter int CHANNELS = 2,
    parameter int VECTORS = 2
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   start,
    input  logic [CHANNELS*32-1:0] in,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [CHANNELS*32-1:0] out,
    output logic                   out_valid,
    input  logic                   out_ready,
    output logic                   finished
);
  localparam int ROW_WORDS = N / CHANNELS;
  localparam int STAGES = $clog2(ROW_WORDS);
  localparam int DELAY = ROW_WORDS - 1;
  localparam int WORDS = VECTORS * ROW_WORDS;
  localparam int ADD = 7;
  localparam int IN_WORD = ADD * $clog2(CHANNELS);
  localparam int DEPTH = IN_WORD + ADD * STAGES + 1;
  localparam int WIDTH = CHANNELS * 32;
  wire enable;
  wire [DEPTH-1:0] stage;
  wire [31:0] number;
  wire [32*(STAGES+1)-1:0] times;
  wire [WIDTH*(STAGES+1)-1:0] words;
  pipelined_process #(.BITS(32), .DEPTH(DEPTH)) control (
      .clk, .reset, .start, .bounds(32'(WORDS + DELAY)), .takes(number < 32'(WORDS)), .in_valid, .in_ready,
      .gives(times[32*STAGES+:32] >= 32'(DELAY)), .out_valid, .out_ready, .enable, .stage, .first(), .last(), .counters(number), .finished
  );
  hadamard_word #(.CHANNELS(CHANNELS), .ADD_LATENCY(ADD)) in_word (.clk, .enable, .x(in), .y(words[WIDTH-1:0]));
  delay_line #(.WIDTH(32), .DEPTH(IN_WORD)) number_in_word (.clk, .enable, .in(number), .out(times[31:0]));
  for (genvar k = 0; k < STAGES; ++k) begin : stride
    butterfly_stage #(.LANES(CHANNELS), .STRIDE(1 << k)) butterfly (
        .clk, .enable, .valid(stage[IN_WORD+ADD*k]), .time_now(times[32*k+:32] - 32'((1 << k) - 1)), .x(words[WIDTH*k+:WIDTH]),
        .y(words[WIDTH*(k+1)+:WIDTH])
    );
    delay_line #(.WIDTH(32), .DEPTH(ADD)) number_at (.clk, .enable, .in(times[32*k+:32]), .out(times[32*(k+1)+:32]));
  end
  assign out = words[WIDTH*STAGES+:WIDTH];
endmodule
