// One lane of the static quantizer: nearest(x * inverse scale), clipped. Latency: 6 cycles. C++: quantize_static.hpp.
module quantize_lane #(
    parameter int BITS = 8
) (
    input  logic            clk,
    input  logic            enable,
    input  logic [    31:0] x,
    input  logic [    31:0] inverse,
    output logic [BITS-1:0] q
);
  wire [31:0] product;
  fp_multiply multiply (.clk, .enable, .a(x), .b(inverse), .y(product));
  round_to_integer #(.BITS(BITS), .SIGNED(1)) round (.clk, .enable, .x(product), .q);
endmodule
