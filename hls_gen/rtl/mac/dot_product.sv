// Sum of TERMS products of activations and weights, for one row, or for two that share the DSPs. No accumulator.
//
// KIND 0 dsp1, 2 dsp2 (two rows a DSP: ROWS 2), 4 lut. Latency: 3, 2 rows 4, in LUTs 2; then the adder tree's.
// C++: dot_products of attention_scores.hpp.
module dot_product #(
    parameter int TERMS = 8,
    parameter int ROWS = 1,
    parameter int KIND = 0,
    parameter int X_BITS = 8,
    parameter bit X_SIGNED = 1,
    parameter int W_BITS = 8,
    parameter int ACC = 20
) (
    input  logic                         clk,
    input  logic                         enable,
    input  logic [ROWS*TERMS*X_BITS-1:0] x,
    input  logic [     TERMS*W_BITS-1:0] w,
    output logic [         ROWS*ACC-1:0] sums
);
  localparam int FIELD = X_BITS + W_BITS;
  wire [ROWS*TERMS*FIELD-1:0] products;
  for (genvar i = 0; i < TERMS; ++i) begin : term
    wire [W_BITS-1:0] weight = w[i*W_BITS+:W_BITS];
    if (KIND == 2) begin : pair
      localparam int A_BITS = FIELD + X_BITS + 1;
      wire [X_BITS-1:0] low = x[i*X_BITS+:X_BITS];
      wire [X_BITS-1:0] high = x[(TERMS+i)*X_BITS+:X_BITS];
      wire [2*FIELD-1:0] product;
      dsp_multiply_accumulate #(
          .A_BITS(A_BITS), .B_BITS(W_BITS), .P_BITS(2 * FIELD), .PREADD(1), .ACCUMULATE(0)
      ) dsp (
          .clk, .enable, .accumulate(1'b0),
          .a({{(A_BITS - X_BITS) {X_SIGNED & low[X_BITS-1]}}, low}),
          .d({X_SIGNED & high[X_BITS-1], high, {FIELD{1'b0}}}),
          .b(weight), .p(product)
      );
      assign products[i*FIELD+:FIELD] = product[FIELD-1:0];
      assign products[(TERMS+i)*FIELD+:FIELD] = product[2*FIELD-1:FIELD] + FIELD'(product[FIELD-1]);
    end else begin : single
      for (genvar r = 0; r < ROWS; ++r) begin : row
        wire [X_BITS-1:0] value = x[(r*TERMS+i)*X_BITS+:X_BITS];
        if (KIND == 0) begin : dsp
          dsp_multiply_accumulate #(.A_BITS(W_BITS), .B_BITS(X_BITS + 1), .P_BITS(FIELD), .ACCUMULATE(0)) slice (
              .clk, .enable, .accumulate(1'b0), .a(weight), .d({W_BITS{1'b0}}), .b({X_SIGNED & value[X_BITS-1], value}),
              .p(products[(r*TERMS+i)*FIELD+:FIELD])
          );
        end else begin : fabric
          logic signed [X_BITS:0] x_1;
          logic signed [W_BITS-1:0] w_1;
          logic [FIELD-1:0] product;
          (* use_dsp = "no" *) wire signed [FIELD:0] next = x_1 * w_1;
          always_ff @(posedge clk)
            if (enable) begin
              x_1 <= $signed({X_SIGNED & value[X_BITS-1], value});
              w_1 <= $signed(weight);
              product <= next[FIELD-1:0];
            end
          assign products[(r*TERMS+i)*FIELD+:FIELD] = product;
        end
      end
    end
  end
  for (genvar r = 0; r < ROWS; ++r) begin : tree
    adder_tree #(.TERMS(TERMS), .IN(FIELD), .OUT(ACC)) add (.clk, .enable, .terms(products[r*TERMS*FIELD+:TERMS*FIELD]), .sum(sums[r*ACC+:ACC]));
  end
endmodule
