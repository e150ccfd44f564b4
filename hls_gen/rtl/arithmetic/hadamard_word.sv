// The butterflies whose channels lie in one word of CHANNELS: strides 1, 2, ... CHANNELS / 2. Latency: that of an adder a stride.
// C++: butterflies_in_word (hadamard.hpp).
module hadamard_word #(
    parameter int CHANNELS = 2,
    parameter int ADD_LATENCY = 7
) (
    input  logic                   clk,
    input  logic                   enable,
    input  logic [CHANNELS*32-1:0] x,
    output logic [CHANNELS*32-1:0] y
);
  localparam int LEVELS = $clog2(CHANNELS);
  wire [(LEVELS+1)*CHANNELS*32-1:0] words;  // before each level, and the result
  assign words[CHANNELS*32-1:0] = x;
  assign y = words[LEVELS*CHANNELS*32+:CHANNELS*32];
  for (genvar level = 0; level < LEVELS; ++level) begin : at
    localparam int STRIDE = 1 << level;
    for (genvar i = 0; i < CHANNELS; ++i) begin : channel
      if (i / STRIDE % 2 == 0) begin : pair
        fp_butterfly #(.ADD_LATENCY(ADD_LATENCY)) butterfly (
            .clk, .enable, .u(words[32*(level*CHANNELS+i)+:32]), .v(words[32*(level*CHANNELS+i+STRIDE)+:32]),
            .sum(words[32*((level+1)*CHANNELS+i)+:32]),
            .difference(words[32*((level+1)*CHANNELS+i+STRIDE)+:32])
        );
      end
    end
  end
endmodule
