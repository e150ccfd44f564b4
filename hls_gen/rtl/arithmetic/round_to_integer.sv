// Nearest integer of a finite fp32, ties to even, clipped to BITS bits. Latency: 2 cycles, no DSP slice.
//
// SIGNED 1: round_to_signed of fp32.hpp, two's complement; 0: round_to_unsigned, of a number that is not negative.
module round_to_integer #(
    parameter int BITS = 8,
    parameter bit SIGNED = 1
) (
    input  logic            clk,
    input  logic            enable,
    input  logic [    31:0] x,
    output logic [BITS-1:0] q
);
  wire [7:0] exponent = x[30:23];
  wire tiny = exponent < 8'd126;                   // below one half
  wire huge = exponent >= 8'(127 + BITS);
  wire [4:0] dropped = 5'(8'd150 - exponent);      // 2 .. 24 fraction bits
  wire [23:0] significand = {1'b1, x[22:0]};
  // Whole part, then the half, then the rest.
  wire [47:0] parts = {significand, 24'd0} >> dropped;
  logic sign_1, huge_1, up_1;
  logic [BITS-1:0] whole_1;
  wire [BITS:0] rounded = {1'b0, whole_1} + (BITS + 1)'(up_1);
  wire [BITS:0] limit = SIGNED ? (sign_1 ? (BITS + 1)'(1) << (BITS - 1) : ((BITS + 1)'(1) << (BITS - 1)) - 1)
                               : ((BITS + 1)'(1) << BITS) - 1;
  wire [BITS:0] clipped = huge_1 || rounded > limit ? limit : rounded;
  always_ff @(posedge clk)
    if (enable) begin
      sign_1 <= x[31];
      huge_1 <= huge;
      whole_1 <= tiny ? {BITS{1'b0}} : parts[24+:BITS];
      up_1 <= !tiny && parts[23] && (parts[24] || |parts[22:0]);
      q <= SIGNED && sign_1 ? -clipped[BITS-1:0] : clipped[BITS-1:0];
    end
endmodule
