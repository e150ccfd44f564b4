// Running minimum and maximum of fp32 as integers that order as they do. Latency: 1 cycle. C++: value_range (quantized_token.hpp).
module value_range (
    input  logic        clk,
    input  logic        enable,
    input  logic        first,
    input  logic [31:0] x,
    output logic [31:0] min_key,
    output logic [31:0] max_key
);
  wire [31:0] canonical = x[30:23] == 0 ? 32'd0 : x;
  wire [31:0] key = canonical[31] ? ~canonical : {1'b1, canonical[30:0]};
  always_ff @(posedge clk)
    if (enable) begin
      if (first || key < min_key) min_key <= key;
      if (first || key > max_key) max_key <= key;
    end
endmodule
