// dsp2 where two sums fit the accumulator of a DSP: both stay in it until the dot product ends. Latency 4.
// C++: pe_array, step_packed (pe.hpp). The pre-adder packs the weights: high * 2^ACC + low, no LUT.
module mac_pair_packed #(
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 4,
    parameter int ACC = 19
) (
    input  logic                clk,
    input  logic                enable,
    input  logic                accumulate,  // 0 starts a sum; for the operands of 2 cycles before
    input  logic [  X_BITS-1:0] x,
    input  logic [2*W_BITS-1:0] w,    // low weight first
    output logic [ 2*ACC-1:0] sums  // packed: the upper one lacks the borrow of a negative lower one
);
  localparam int A_BITS = ACC + W_BITS + 1;
  if (A_BITS > 27 || 2 * ACC > 48) $error("two packed weights exceed the 27-bit multiplier input or the accumulator");
  dsp_multiply_accumulate #(
      .A_BITS(A_BITS), .B_BITS(X_BITS + 1), .P_BITS(2 * ACC), .PREADD(1)
  ) dsp (
      .clk, .enable, .accumulate,
      .a({{(A_BITS - W_BITS) {w[W_BITS-1]}}, w[W_BITS-1:0]}),
      .d({w[2*W_BITS-1], w[2*W_BITS-1:W_BITS], {ACC{1'b0}}}),
      .b({X_SIGNED & x[X_BITS-1], x}),
      .p(sums)
  );
endmodule
