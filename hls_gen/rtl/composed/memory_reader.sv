// read_vectors (vector_io.hpp): vectors of PARTS words each from a memory port. The port answers the first request after LATENCY
// cycles, then brings a word every BEAT cycles into a buffer of AHEAD words, as long as there is room.
module memory_reader #(
    parameter int VECTORS = 32,
    parameter int PARTS = 2,
    parameter int LANES = 4,    // fp32 of a word
    parameter int LATENCY = 64,
    parameter int BEAT = 1,
    parameter int AHEAD = 32
) (
    input  logic                      clk,
    input  logic                      reset,
    input  logic                      start,
    output logic [PARTS*LANES*32-1:0] out,
    output logic                      out_valid,
    input  logic                      out_ready,
    output logic                      finished
);
  localparam int DEPTH = 2;  // the word arrives; it is in the vector
  wire enable, last;
  wire [DEPTH-1:0] stage;
  wire [31:0] at;  // vector, part
  wire ends_late;
  logic asked;
  logic [31:0] waited, buffered;
  wire word_valid = buffered != 0;
  // A port is an input of the loop like a FIFO.
  wire [0:0] taken;
  pipelined_process #(.LOOPS(2), .DEPTH(DEPTH)) control (
      .clk, .reset, .start, .bounds({16'(VECTORS), 16'(PARTS)}), .takes(1'b1), .in_valid(word_valid), .in_ready(taken), .gives(ends_late),
      .out_valid, .out_ready, .enable, .stage, .first(), .last, .counters(at), .finished
  );
  delay_line #(.DEPTH(DEPTH - 1)) ends (.clk, .enable, .in(last), .out(ends_late));
  // `waited`: cycles since the request; a word is there LATENCY cycles after it, the next BEAT cycles later.
  wire arrives = asked && waited == 0 && buffered < 32'(AHEAD);
  always_ff @(posedge clk)
    if (reset || start) begin
      asked <= 1'b0;
      waited <= 32'd0;
      buffered <= 32'd0;
    end else begin
      if (stage[0] && !asked) begin
        asked <= 1'b1;
        waited <= 32'(LATENCY - 2);
      end else if (asked) waited <= arrives ? 32'(BEAT - 1) : waited == 0 ? 32'd0 : waited - 32'd1;
      buffered <= buffered + 32'(arrives) - 32'(taken[0]);
    end
  for (genvar p = 0; p < PARTS; ++p) begin : part
    always_ff @(posedge clk)
      if (enable && stage[0] && at[15:0] == 16'(p)) out[p*LANES*32+:LANES*32] <= {LANES{at[31:16], 16'(p)}};
  end
endmodule
