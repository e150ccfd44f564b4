// u + v and u - v in fp32. Latency: that of an adder.
module fp_butterfly #(
    parameter int ADD_LATENCY = 7
) (
    input  logic        clk,
    input  logic        enable,
    input  logic [31:0] u,
    input  logic [31:0] v,
    output logic [31:0] sum,
    output logic [31:0] difference
);
  fp_add #(.LATENCY(ADD_LATENCY)) add (.clk, .enable, .a(u), .b(v), .y(sum));
  fp_add #(.LATENCY(ADD_LATENCY), .SUBTRACT(1)) subtract (.clk, .enable, .a(u), .b(v), .y(difference));
endmodule
