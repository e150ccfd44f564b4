// A butterfly of STRIDE words on a stream (delayed_butterfly, hadamard.hpp): `time_now` numbers the word in `x` while `valid`; the
// result, of STRIDE words before, follows the latency of an adder later.
module butterfly_stage #(
    parameter int LANES = 2,
    parameter int STRIDE = 1
) (
    input  logic                clk,
    input  logic                enable,
    input  logic                valid,
    input  logic [        31:0] time_now,
    input  logic [LANES*32-1:0] x,
    output logic [LANES*32-1:0] y
);
  localparam int BITS = STRIDE > 1 ? $clog2(STRIDE) : 1;
  logic [LANES*32-1:0] firsts[STRIDE], seconds[STRIDE];
  wire [BITS-1:0] i = STRIDE > 1 ? time_now[BITS-1:0] : '0;
  wire second_half = time_now[$clog2(STRIDE)];
  wire [LANES*32-1:0] first = firsts[i], stored = seconds[i];
  for (genvar lane = 0; lane < LANES; ++lane) begin : at
    fp_add add (
        .clk, .enable, .a(first[32*lane+:32]),
        .b(second_half ? x[32*lane+:32] : {~stored[32*lane+31], stored[32*lane+:31]}), .y(y[32*lane+:32])
    );
  end
  always_ff @(posedge clk)
    if (enable && valid) begin
      if (second_half) seconds[i] <= x;
      else firsts[i] <= x;
    end
endmodule
