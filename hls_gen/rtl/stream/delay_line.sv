// DEPTH registers in a row, of which UltraScale+ makes shift-register LUTs where DEPTH is 3 or more.
module delay_line #(
    parameter int WIDTH = 1,
    parameter int DEPTH = 1
) (
    input  logic             clk,
    input  logic             enable,
    input  logic [WIDTH-1:0] in,
    output logic [WIDTH-1:0] out
);
  if (DEPTH == 0) begin : wires
    assign out = in;
  end else begin : registers
    logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge clk)
      if (enable) begin
        words[0] <= in;
        for (int i = 1; i < DEPTH; ++i) words[i] <= words[i-1];
      end
    assign out = words[DEPTH-1];
  end
endmodule
