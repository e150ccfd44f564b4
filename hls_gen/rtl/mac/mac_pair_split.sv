// dsp2 where two sums do not fit a DSP's accumulator: two products a DSP, split at once, summed in LUTs. Latency 5.
// C++: pe_array, step_pairs (pe.hpp).
module mac_pair_split #(
    parameter int X_BITS = 8,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 8,
    parameter int ACC = 32
) (
    input  logic                clk,
    input  logic                enable,
    input  logic                accumulate,  // 0 starts a sum; for the operands of 4 cycles before
    input  logic [  X_BITS-1:0] x,
    input  logic [2*W_BITS-1:0] w,
    output logic [  2*ACC-1:0] sums
);
  localparam int FIELD = X_BITS + W_BITS;
  localparam int A_BITS = FIELD + W_BITS + 1;
  wire [2*FIELD-1:0] product;
  dsp_multiply_accumulate #(
      .A_BITS(A_BITS), .B_BITS(X_BITS + 1), .P_BITS(2 * FIELD), .PREADD(1), .ACCUMULATE(0)
  ) dsp (
      .clk, .enable, .accumulate(1'b0),
      .a({{(A_BITS - W_BITS) {w[W_BITS-1]}}, w[W_BITS-1:0]}),
      .d({w[2*W_BITS-1], w[2*W_BITS-1:W_BITS], {FIELD{1'b0}}}),
      .b({X_SIGNED & x[X_BITS-1], x}),
      .p(product)
  );
  field_accumulators #(.FIELDS(2), .FIELD(FIELD), .ACC(ACC)) sum (.clk, .enable, .accumulate, .product, .sums);
endmodule
