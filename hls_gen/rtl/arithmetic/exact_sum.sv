// Adds squares exactly: whole part and fraction of 44 bits in two counters (numerics.md, "Sum of squares"). Latency: 2 cycles.
// `square` is an fp32 that is not negative. C++: square_sum::include behind its product (exact_sum.hpp).
module exact_sum (
    input  logic        clk,
    input  logic        enable,
    input  logic        first,
    input  logic [31:0] square,
    output logic [63:0] whole,
    output logic [63:0] fraction
);
  wire [7:0] exponent = square[30:23];
  wire [23:0] significand = {1'b1, square[22:0]};
  wire huge = exponent >= 8'(127 + 46);
  wire tiny = exponent < 8'(127 - 44);
  wire below = exponent < 8'(127 - 21);
  wire [6:0] up = 7'(exponent - 8'(127 - 21));
  wire [4:0] down = 5'(8'(127 - 21) - exponent);
  wire [89:0] raised = {66'd0, significand} << up;
  wire [23:0] lowered = significand >> down;
  logic first_1;
  logic [45:0] whole_1;
  logic [43:0] fraction_1;
  always_ff @(posedge clk)
    if (enable) begin
      first_1 <= first;
      whole_1 <= huge ? {24'hffffff, 22'd0} : below ? 46'd0 : raised[89:44];
      fraction_1 <= huge || tiny ? 44'd0 : below ? {20'd0, lowered} : raised[43:0];
      whole <= (first_1 ? 64'd0 : whole) + {18'd0, whole_1};
      fraction <= (first_1 ? 64'd0 : fraction) + {20'd0, fraction_1};
    end
endmodule
