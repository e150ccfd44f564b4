// Zeros above the highest one of a word; WIDTH of a word of zeros. Halves at a time, as a priority chain would be deep.
module leading_zeros #(
    parameter int WIDTH = 28,
    parameter int COUNT = 5
) (
    input  logic [WIDTH-1:0] value,
    output logic [COUNT-1:0] zeros
);
  localparam int LEVELS = $clog2(WIDTH);
  localparam int FULL = 1 << LEVELS;
  // Ones below the word end the count of a word of zeros at WIDTH.
  wire [FULL-1:0] words[LEVELS+1];
  wire [LEVELS-1:0] found;
  if (FULL > WIDTH) begin : pad
    assign words[LEVELS] = {value, {(FULL - WIDTH) {1'b1}}};
  end else begin : exact
    assign words[LEVELS] = value;
  end
  for (genvar level = LEVELS - 1; level >= 0; --level) begin : halve
    localparam int HALF = 1 << level;
    wire [HALF-1:0] high = words[level+1][2*HALF-1:HALF];
    assign found[level] = high == 0;
    assign words[level] = {{(FULL - HALF) {1'b0}}, found[level] ? words[level+1][HALF-1:0] : high};
  end
  wire none = FULL == WIDTH && words[0][0] == 0;
  assign zeros = COUNT'(found) + COUNT'(none);
endmodule
