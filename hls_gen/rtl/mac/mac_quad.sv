// dsp4: two weights x two activations a DSP, four products split at once, summed in LUTs. Latency 5.
// C++: pe_array, step_quads (pe.hpp). Sums: (row 0, low weight), (row 1, low), (row 0, high), (row 1, high).
module mac_quad #(
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 4,
    parameter int ACC = 19
) (
    input  logic                clk,
    input  logic                enable,
    input  logic                accumulate,  // 0 starts a sum; for the operands of 4 cycles before
    input  logic [2*X_BITS-1:0] x,     // of row 0 first
    input  logic [2*W_BITS-1:0] w,
    output logic [  4*ACC-1:0] sums
);
  localparam int FIELD = X_BITS + W_BITS;
  localparam int A_BITS = 3 * FIELD + 1;
  localparam int B_BITS = 2 * FIELD + 1;
  if (A_BITS > 27 || B_BITS > 18) $error("four products of these operands do not fit a DSP");
  // The narrow port has no pre-adder: a negative lower activation borrows from the upper one in LUTs.
  wire signed [B_BITS-1:0] low = $signed({X_SIGNED & x[X_BITS-1], x[X_BITS-1:0]});
  wire signed [B_BITS-1:0] high = $signed({X_SIGNED & x[2*X_BITS-1], x[2*X_BITS-1:X_BITS]});
  wire [B_BITS-1:0] activations = (high <<< FIELD) + low;
  wire [4*FIELD-1:0] product;
  dsp_multiply_accumulate #(
      .A_BITS(A_BITS), .B_BITS(B_BITS), .P_BITS(4 * FIELD), .PREADD(1), .ACCUMULATE(0)
  ) dsp (
      .clk, .enable, .accumulate(1'b0),
      .a({{(A_BITS - W_BITS) {w[W_BITS-1]}}, w[W_BITS-1:0]}),
      .d({{(A_BITS - 2 * FIELD - W_BITS) {w[2*W_BITS-1]}}, w[2*W_BITS-1:W_BITS], {(2 * FIELD) {1'b0}}}),
      .b(activations),
      .p(product)
  );
  field_accumulators #(.FIELDS(4), .FIELD(FIELD), .ACC(ACC)) sum (.clk, .enable, .accumulate, .product, .sums);
endmodule
