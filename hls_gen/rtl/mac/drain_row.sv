// The finished sums of one row on their way out: loaded at once, shifted one column a cycle. C++: column_drain, group_drain.
module drain_row #(
    parameter int COLUMNS = 4,
    parameter int ACC = 19
) (
    input  logic                   clk,
    input  logic                   enable,
    input  logic                   load,
    input  logic [COLUMNS*ACC-1:0] finished,
    output logic [        ACC-1:0] next
);
  logic [COLUMNS*ACC-1:0] words;
  wire [COLUMNS*ACC-1:0] shifted;
  if (COLUMNS == 1) begin : one
    assign shifted = words;
  end else begin : many
    assign shifted = {words[COLUMNS*ACC-1-:ACC], words[COLUMNS*ACC-1:ACC]};
  end
  always_ff @(posedge clk) if (enable) words <= load ? finished : shifted;
  assign next = words[ACC-1:0];
endmodule
