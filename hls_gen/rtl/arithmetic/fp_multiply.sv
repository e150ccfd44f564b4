// Product of two floating-point numbers, rounded once to nearest even, subnormals zero (spec/numerics.md, "fp32").
//
// EXPONENT and FRACTION bits: 8 and 23 for fp32, 8 and 7 for bf16. C++: fp_mul (fp32.hpp).
// Latency: 4 cycles: the three of a DSP slice, then rounding. DSP slices: 1 up to 17 bits of significand, else 2.
module fp_multiply #(
    parameter int EXPONENT = 8,
    parameter int FRACTION = 23
) (
    input  logic                       clk,
    input  logic                       enable,
    input  logic [EXPONENT+FRACTION:0] a,
    input  logic [EXPONENT+FRACTION:0] b,
    output logic [EXPONENT+FRACTION:0] y
);
  localparam int BITS = 1 + EXPONENT + FRACTION;
  localparam int S = FRACTION + 1;  // significand
  localparam int BIAS = (1 << (EXPONENT - 1)) - 1;
  localparam int LOW = S > 17 ? 17 : S;  // of b, to the first slice
  localparam int MAX = (1 << EXPONENT) - 1;

  wire [EXPONENT-1:0] exponent_a = a[FRACTION+:EXPONENT];
  wire [EXPONENT-1:0] exponent_b = b[FRACTION+:EXPONENT];
  wire [S-1:0] significand_a = {1'b1, a[FRACTION-1:0]};
  wire [S-1:0] significand_b = {1'b1, b[FRACTION-1:0]};

  wire [2*S-1:0] product;
  wire [S+LOW:0] low_product;
  dsp_multiply_accumulate #(.A_BITS(S + 1), .B_BITS(LOW + 1), .P_BITS(S + LOW + 1), .ACCUMULATE(0)) low (
      .clk, .enable, .accumulate(1'b0), .a({1'b0, significand_a}), .d({(S + 1) {1'b0}}), .b({1'b0, significand_b[LOW-1:0]}),
      .p(low_product)
  );
  if (S > LOW) begin : wide
    localparam int HIGH = S - LOW;
    wire [S+HIGH:0] high_product;
    dsp_multiply_accumulate #(.A_BITS(S + 1), .B_BITS(HIGH + 1), .P_BITS(S + HIGH + 1), .ACCUMULATE(0)) high (
        .clk, .enable, .accumulate(1'b0), .a({1'b0, significand_a}), .d({(S + 1) {1'b0}}), .b({1'b0, significand_b[S-1:LOW]}),
        .p(high_product)
    );
    wire [S+HIGH-1:0] upper = high_product[S+HIGH-1:0] + {{HIGH{1'b0}}, low_product[S+LOW-1:LOW]};
    assign product = {upper, low_product[LOW-1:0]};
  end else begin : narrow
    assign product = low_product[2*S-1:0];
  end

  // Sign, exponent sum, zero and infinity travel beside the slice.
  wire zero = exponent_a == 0 || exponent_b == 0;
  wire infinite = &exponent_a || &exponent_b;
  wire [EXPONENT+1:0] exponent_sum = {2'b00, exponent_a} + {2'b00, exponent_b} - (EXPONENT + 2)'(BIAS);
  wire [EXPONENT+4:0] beside;
  delay_line #(.WIDTH(EXPONENT + 5), .DEPTH(3)) travel (
      .clk, .enable, .in({a[BITS-1] ^ b[BITS-1], zero, infinite, exponent_sum}), .out(beside)
  );
  wire sign, is_zero, is_infinite;
  wire signed [EXPONENT+1:0] exponent;
  assign {sign, is_zero, is_infinite, exponent} = beside;

  wire top = product[2*S-1];
  wire [S-1:0] cut = top ? product[2*S-1:S] : product[2*S-2:S-1];
  wire guard = top ? product[S-1] : product[S-2];
  wire sticky = |product[S-3:0] | (top & product[S-2]);
  wire signed [EXPONENT+1:0] before_rounding = exponent + (EXPONENT + 2)'(top);
  // Just below the least normal number the grid is that of the subnormals: all ones round up to it.
  wire up = (guard & (sticky | cut[0])) | (before_rounding == 0 & (&cut));
  wire [S:0] rounded = {1'b0, cut} + (S + 1)'(up);
  wire signed [EXPONENT+1:0] after_rounding = before_rounding + (EXPONENT + 2)'(rounded[S]);
  wire [FRACTION-1:0] fraction = rounded[S] ? rounded[S-1:1] : rounded[S-2:0];
  always_ff @(posedge clk)
    if (enable)
      y <= is_zero || (after_rounding <= 0 && !is_infinite) ? {sign, {(BITS - 1) {1'b0}}}
         : is_infinite || after_rounding >= MAX ? {sign, {EXPONENT{1'b1}}, {FRACTION{1'b0}}}
         : {sign, after_rounding[EXPONENT-1:0], fraction};
endmodule
