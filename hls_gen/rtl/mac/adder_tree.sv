// Sum of TERMS signed words of IN bits in OUT bits, a register a level. Latency: ceil(log2 TERMS).
module adder_tree #(
    parameter int TERMS = 8,
    parameter int IN = 16,
    parameter int OUT = 19
) (
    input  logic                clk,
    input  logic                enable,
    input  logic [TERMS*IN-1:0] terms,
    output logic [     OUT-1:0] sum
);
  if (TERMS == 1) begin : leaf
    assign sum = {{(OUT - IN) {terms[IN-1]}}, terms};
  end else begin : node
    localparam int HALF = (TERMS + 1) / 2;
    localparam int WIDE = IN + 1 < OUT ? IN + 1 : OUT;
    logic [HALF*WIDE-1:0] pairs;
    for (genvar i = 0; i < HALF; ++i) begin : pair
      wire [WIDE-1:0] low = WIDE'($signed(terms[2*i*IN+:IN]));
      if (2 * i + 1 < TERMS) begin : two
        wire [WIDE-1:0] high = WIDE'($signed(terms[(2*i+1)*IN+:IN]));
        always_ff @(posedge clk) if (enable) pairs[i*WIDE+:WIDE] <= low + high;
      end else begin : one
        always_ff @(posedge clk) if (enable) pairs[i*WIDE+:WIDE] <= low;
      end
    end
    adder_tree #(.TERMS(HALF), .IN(WIDE), .OUT(OUT)) rest (.clk, .enable, .terms(pairs), .sum);
  end
endmodule
