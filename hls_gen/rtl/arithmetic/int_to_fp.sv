// A signed integer as fp32, rounded once to nearest even. C++: static_cast<float>(int). Latency: 6 cycles, no DSP slice.
module int_to_fp #(
    parameter int IN = 32
) (
    input  logic          clk,
    input  logic          enable,
    input  logic [IN-1:0] x,
    output logic [  31:0] y
);
  localparam int W = IN < 26 ? 26 : IN;
  localparam int COUNT = $clog2(W + 1);
  logic [IN-1:0] x_1;
  logic sign_2, sign_3, sign_4, sign_5, zero_4, zero_5, up_5;
  logic [W-1:0] magnitude_2, magnitude_3, normal_4;
  logic [COUNT-1:0] zeros_3;
  logic [7:0] exponent_4, exponent_5;
  logic [23:0] cut_5;
  wire [W-1:0] wide = {{(W - IN) {x_1[IN-1]}}, x_1};
  wire [COUNT-1:0] zeros;
  leading_zeros #(.WIDTH(W), .COUNT(COUNT)) count (.value(magnitude_2), .zeros);
  wire [24:0] rounded = {1'b0, cut_5} + 25'(up_5);
  always_ff @(posedge clk)
    if (enable) begin
      x_1 <= x;
      sign_2 <= x_1[IN-1];
      magnitude_2 <= x_1[IN-1] ? -wide : wide;
      sign_3 <= sign_2;
      magnitude_3 <= magnitude_2;
      zeros_3 <= zeros;
      sign_4 <= sign_3;
      zero_4 <= zeros_3 == COUNT'(W);
      exponent_4 <= 8'(127 + W - 1) - 8'(zeros_3);
      normal_4 <= magnitude_3 << zeros_3;
      sign_5 <= sign_4;
      zero_5 <= zero_4;
      exponent_5 <= exponent_4;
      cut_5 <= normal_4[W-1-:24];
      up_5 <= normal_4[W-25] & (normal_4[W-24] | (|(normal_4 & ((W)'(1) << (W - 25)) - 1)));
      y <= zero_5 ? 32'd0 : {sign_5, exponent_5 + 8'(rounded[24]), rounded[24] ? rounded[23:1] : rounded[22:0]};
    end
endmodule
