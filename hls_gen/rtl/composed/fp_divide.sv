// a / b in fp32, rounded once to nearest even, subnormals zero. Latency: 12 cycles, that of the timing table's divider.
// For simulation: the quotient is one expression, not a row of subtractors.
module fp_divide (
    input  logic        clk,
    input  logic        enable,
    input  logic [31:0] a,
    input  logic [31:0] b,
    output logic [31:0] y
);
  wire [63:0] dividend = {16'd0, 1'b1, a[22:0], 24'd0} << 3;
  wire [63:0] divisor = {40'd0, 1'b1, b[22:0]};
  wire [63:0] quotient = dividend / divisor;  // 2^26 .. 2^28, truncated
  wire sticky = dividend % divisor != 0;
  wire above = quotient[27];
  wire [23:0] kept = above ? quotient[27:4] : quotient[26:3];
  wire half = above ? quotient[3] : quotient[2];
  wire rest = sticky || (above ? |quotient[2:0] : |quotient[1:0]);
  wire [24:0] rounded = {1'b0, kept} + 25'(half && (rest || kept[0]));
  wire signed [11:0] exponent = 12'(a[30:23]) - 12'(b[30:23]) + 12'd126 + 12'(above) + 12'(rounded[24]);
  wire sign = a[31] ^ b[31];
  wire zero = a[30:23] == 0 || exponent < 1;
  wire huge = b[30:23] == 0 || exponent > 254;
  wire [31:0] result = zero ? {sign, 31'd0} : huge ? {sign, 8'hff, 23'd0} : {sign, exponent[7:0], rounded[24] ? 23'd0 : rounded[22:0]};
  delay_line #(.WIDTH(32), .DEPTH(12)) stages (.clk, .enable, .in(result), .out(y));
endmodule
