// lut: the product in LUTs, and its sum. Latency 3. C++: pe_array, step_single with kind lut (pe.hpp).
module mac_lut #(
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 4,
    parameter int ACC = 19
) (
    input  logic              clk,
    input  logic              enable,
    input  logic              accumulate,  // 0 starts a sum; for the operands of 2 cycles before
    input  logic [X_BITS-1:0] x,
    input  logic [W_BITS-1:0] w,
    output logic [   ACC-1:0] sum
);
  logic signed [X_BITS:0] x_1;
  logic signed [W_BITS-1:0] w_1;
  logic signed [X_BITS+W_BITS:0] product;
  (* use_dsp = "no" *) wire signed [X_BITS+W_BITS:0] next = x_1 * w_1;
  always_ff @(posedge clk)
    if (enable) begin
      x_1 <= $signed({X_SIGNED & x[X_BITS-1], x});
      w_1 <= $signed(w);
      product <= next;
      sum <= (accumulate ? sum : {ACC{1'b0}}) + {{(ACC - X_BITS - W_BITS - 1) {product[X_BITS+W_BITS]}}, product};
    end
endmodule
