// e^x in fp32, bit for bit that of exp.hpp: fixed point, a table of 2^(i/256), a polynomial. Latency: 15 cycles.
module fp_exp (
    input  logic        clk,
    input  logic        enable,
    input  logic [31:0] x,
    output logic [31:0] y
);
  localparam longint LOG2_E = 1549082005;  // log2(e), 30 fraction bits
  localparam longint LN_2 = 90852;         // ln(2), 17 fraction bits
  localparam logic [31:0] LIMIT = 32'd88 << 24;
  logic signed [63:0] table_of_powers[256];
  initial for (int i = 0; i < 256; ++i) table_of_powers[i] = longint'($floor($pow(2.0, i / 256.0) * 33554432.0 + 0.5));

  wire signed [31:0] exponent = 32'(x[30:23]) - 127;
  wire [31:0] significand = {9'd1, x[22:0]};
  wire [31:0] shifted = exponent >= 7 ? LIMIT : exponent >= -1 ? significand << (exponent + 1)
                      : exponent >= -24 ? significand >> -(exponent + 1) : 32'd0;
  wire [31:0] magnitude = shifted > LIMIT ? LIMIT : shifted;
  logic signed [63:0] fixed_1;
  always_ff @(posedge clk) if (enable) fixed_1 <= x[31] ? -64'(magnitude) : 64'(magnitude);

  // A multiplier is three cycles, as a DSP slice's.
  wire signed [63:0] power_4;
  delay_line #(.WIDTH(64), .DEPTH(3)) times_log (.clk, .enable, .in((fixed_1 * LOG2_E) >>> 30), .out(power_4));
  logic signed [63:0] base_5;
  logic [15:0] part_5;
  logic signed [31:0] whole_5;
  always_ff @(posedge clk)
    if (enable) begin
      base_5 <= table_of_powers[power_4[23:16]];
      part_5 <= power_4[15:0];
      whole_5 <= 32'(power_4 >>> 24);
    end
  wire signed [63:0] rest_8, growth_11, product_14, base_11;
  wire signed [31:0] whole_14;
  delay_line #(.WIDTH(64), .DEPTH(3)) times_ln (.clk, .enable, .in((64'(part_5) * LN_2 + 64'sd32768) >>> 16), .out(rest_8));
  delay_line #(.WIDTH(64), .DEPTH(3)) square (.clk, .enable, .in(rest_8 + ((rest_8 * rest_8) >>> 26)), .out(growth_11));
  delay_line #(.WIDTH(64), .DEPTH(6)) base (.clk, .enable, .in(base_5), .out(base_11));
  delay_line #(.WIDTH(64), .DEPTH(3)) times_base (.clk, .enable, .in(base_11 + ((base_11 * growth_11) >>> 25)), .out(product_14));
  delay_line #(.WIDTH(32), .DEPTH(9)) whole (.clk, .enable, .in(whole_5), .out(whole_14));
  wire [31:0] rounded = 32'((product_14 + 2) >>> 2);
  always_ff @(posedge clk)
    if (enable) y <= whole_14 < -126 ? 32'd0 : (32'(whole_14 + 127) << 23) + rounded - 32'h800000;
endmodule
