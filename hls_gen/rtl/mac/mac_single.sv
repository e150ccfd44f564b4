// dsp1: one product a DSP, summed in it. Latency 3. C++: pe_array, step_single (pe.hpp).
module mac_single #(
    parameter int X_BITS = 8,  // of an activation
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 8,  // of a weight, signed
    parameter int ACC = 32
) (
    input  logic              clk,
    input  logic              enable,
    input  logic              accumulate,  // 0 starts a sum; for the operands of 1 cycle before
    input  logic [X_BITS-1:0] x,
    input  logic [W_BITS-1:0] w,
    output logic [   ACC-1:0] sum
);
  dsp_multiply_accumulate #(
      .A_BITS(W_BITS), .B_BITS(X_BITS + 1), .P_BITS(ACC)
  ) dsp (
      .clk, .enable, .accumulate, .a(w), .d({W_BITS{1'b0}}), .b({X_SIGNED & x[X_BITS-1], x}), .p(sum)
  );
endmodule
