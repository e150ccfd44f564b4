// 1 / sqrt(v) in fp32, bit for bit that of rsqrt.hpp: a seed, three Newton steps. Latency: 4 + 3 x 19 cycles.
module fp_rsqrt (
    input  logic        clk,
    input  logic        enable,
    input  logic [31:0] v,
    output logic [31:0] y
);
  wire [31:0] guesses[4], halves[4];
  fp_multiply halve (.clk, .enable, .a(32'h3f000000), .b(v), .y(halves[0]));
  delay_line #(.WIDTH(32), .DEPTH(4)) seed (.clk, .enable, .in(32'h5f375a86 - (v >> 1)), .out(guesses[0]));
  for (genvar i = 0; i < 3; ++i) begin : newton
    wire [31:0] product, square, guess_4, guess_15, difference;
    fp_multiply first (.clk, .enable, .a(halves[i]), .b(guesses[i]), .y(product));
    delay_line #(.WIDTH(32), .DEPTH(4)) wait_4 (.clk, .enable, .in(guesses[i]), .out(guess_4));
    fp_multiply second (.clk, .enable, .a(product), .b(guess_4), .y(square));
    fp_add #(.SUBTRACT(1)) rest (.clk, .enable, .a(32'h3fc00000), .b(square), .y(difference));
    delay_line #(.WIDTH(32), .DEPTH(11)) wait_15 (.clk, .enable, .in(guess_4), .out(guess_15));
    fp_multiply last (.clk, .enable, .a(guess_15), .b(difference), .y(guesses[i+1]));
    delay_line #(.WIDTH(32), .DEPTH(19)) half (.clk, .enable, .in(halves[i]), .out(halves[i+1]));
  end
  assign y = guesses[3];
endmodule
