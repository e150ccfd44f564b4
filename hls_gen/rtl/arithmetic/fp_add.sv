// Sum of two floating-point numbers, rounded once to nearest even, subnormals zero (spec/numerics.md, "fp32").
//
// EXPONENT and FRACTION bits: 8 and 23 for fp32, 8 and 7 for bf16. C++: fp_add; with SUBTRACT 1, fp_sub (fp32.hpp).
// Latency: LATENCY, 4 to 7 cycles; no DSP slice.
module fp_add #(
    parameter int EXPONENT = 8,
    parameter int FRACTION = 23,
    parameter int LATENCY = 7,
    parameter bit SUBTRACT = 0
) (
    input  logic                       clk,
    input  logic                       enable,
    input  logic [EXPONENT+FRACTION:0] a,
    input  logic [EXPONENT+FRACTION:0] b,
    output logic [EXPONENT+FRACTION:0] y
);
  localparam int BITS = 1 + EXPONENT + FRACTION;
  localparam int G = FRACTION + 4;  // significand with guard, round and sticky
  localparam int COUNT = $clog2(G + 2);
  localparam int MAX = (1 << EXPONENT) - 1;
  // Registers after: input, order, align, add, leading zeros, normalise. The result always has one.
  localparam bit [5:0] STAGE = LATENCY >= 7 ? 6'b111111 : LATENCY == 6 ? 6'b111110 : LATENCY == 5 ? 6'b101110 : 6'b101100;
  if (LATENCY < 4 || LATENCY > 7) $error("the latency of fp_add is 4 to 7 cycles");

  wire [2*BITS-1:0] operands;
  delay_line #(.WIDTH(2 * BITS), .DEPTH(32'(STAGE[0]))) stage_0 (
      .clk, .enable, .in({a, {b[BITS-1] ^ SUBTRACT, b[BITS-2:0]}}), .out(operands)
  );

  // The larger magnitude first.
  wire [BITS-1:0] in_a = operands[2*BITS-1:BITS];
  wire [BITS-1:0] in_b = operands[BITS-1:0];
  wire in_order = in_a[BITS-2:0] >= in_b[BITS-2:0];
  wire [2*BITS-1:0] ordered;
  delay_line #(.WIDTH(2 * BITS), .DEPTH(32'(STAGE[1]))) stage_1 (
      .clk, .enable, .in(in_order ? {in_a, in_b} : {in_b, in_a}), .out(ordered)
  );

  // The lower one to the exponent of the larger; what is cut off remains as one sticky bit.
  wire [BITS-1:0] upper = ordered[2*BITS-1:BITS];
  wire [BITS-1:0] lower = ordered[BITS-1:0];
  wire [EXPONENT-1:0] exponent = upper[FRACTION+:EXPONENT];
  wire [EXPONENT-1:0] distance = exponent - lower[FRACTION+:EXPONENT];
  wire [G-1:0] significand = exponent == 0 ? {G{1'b0}} : {1'b1, upper[FRACTION-1:0], 3'b000};
  wire [G-1:0] other = lower[FRACTION+:EXPONENT] == 0 ? {G{1'b0}} : {1'b1, lower[FRACTION-1:0], 3'b000};
  wire far = distance > EXPONENT'(G - 1);
  wire [COUNT-1:0] near = far ? COUNT'(G) : distance[COUNT-1:0];
  wire [2*G-1:0] shifted = {other, {G{1'b0}}} >> near;
  wire [G-1:0] aligned = {shifted[2*G-1:G+1], |shifted[G:0]};
  wire subtracts = upper[BITS-1] ^ lower[BITS-1];
  wire zero_sign = upper[BITS-1] & lower[BITS-1];
  localparam int W2 = 3 + EXPONENT + 2 * G;
  wire [W2-1:0] s2;
  delay_line #(.WIDTH(W2), .DEPTH(32'(STAGE[2]))) stage_2 (
      .clk, .enable, .in({zero_sign, upper[BITS-1], subtracts, exponent, significand, aligned}), .out(s2)
  );

  wire zero_sign_2, sign_2, subtracts_2;
  wire [EXPONENT-1:0] exponent_2;
  wire [G-1:0] significand_2, aligned_2;
  assign {zero_sign_2, sign_2, subtracts_2, exponent_2, significand_2, aligned_2} = s2;
  wire [G:0] total = {1'b0, significand_2} + ({1'b0, aligned_2} ^ {(G + 1) {subtracts_2}}) + (G + 1)'(subtracts_2);
  localparam int W3 = 2 + EXPONENT + G + 1;
  wire [W3-1:0] s3;
  delay_line #(.WIDTH(W3), .DEPTH(32'(STAGE[3]))) stage_3 (
      .clk, .enable, .in({zero_sign_2, sign_2, exponent_2, total}), .out(s3)
  );

  wire [COUNT-1:0] zeros;
  leading_zeros #(.WIDTH(G + 1), .COUNT(COUNT)) count (.value(s3[G:0]), .zeros);
  wire [W3+COUNT-1:0] s4;
  delay_line #(.WIDTH(W3 + COUNT), .DEPTH(32'(STAGE[4]))) stage_4 (.clk, .enable, .in({s3, zeros}), .out(s4));

  wire zero_sign_4, sign_4;
  wire [EXPONENT-1:0] exponent_4;
  wire [G:0] total_4;
  wire [COUNT-1:0] zeros_4;
  assign {zero_sign_4, sign_4, exponent_4, total_4, zeros_4} = s4;
  wire is_zero = zeros_4 == COUNT'(G + 1);
  wire signed [EXPONENT+1:0] normal_exponent = $signed({2'b00, exponent_4}) + 1 - $signed({{(EXPONENT + 2 - COUNT) {1'b0}}, zeros_4});
  wire [G:0] normal = total_4 << zeros_4;
  localparam int W5 = 3 + EXPONENT + 2 + G + 1;
  wire [W5-1:0] s5;
  delay_line #(.WIDTH(W5), .DEPTH(32'(STAGE[5]))) stage_5 (
      .clk, .enable, .in({is_zero ? zero_sign_4 : sign_4, is_zero, &exponent_4, normal_exponent, normal}), .out(s5)
  );

  wire sign_5, is_zero_5, is_infinite_5;
  wire signed [EXPONENT+1:0] exponent_5;
  wire [G:0] normal_5;
  assign {sign_5, is_zero_5, is_infinite_5, exponent_5, normal_5} = s5;
  wire up = normal_5[3] & (normal_5[4] | (|normal_5[2:0]));
  wire [FRACTION+1:0] rounded = {1'b0, normal_5[G:4]} + (FRACTION + 2)'(up);
  wire signed [EXPONENT+1:0] after_rounding = exponent_5 + (EXPONENT + 2)'(rounded[FRACTION+1]);
  wire [FRACTION-1:0] fraction = rounded[FRACTION+1] ? rounded[FRACTION:1] : rounded[FRACTION-1:0];
  always_ff @(posedge clk)
    if (enable)
      y <= is_infinite_5 || after_rounding >= MAX ? {sign_5, {EXPONENT{1'b1}}, {FRACTION{1'b0}}}
         : is_zero_5 || after_rounding <= 0 ? {sign_5, {(BITS - 1) {1'b0}}}
         : {sign_5, after_rounding[EXPONENT-1:0], fraction};
endmodule
