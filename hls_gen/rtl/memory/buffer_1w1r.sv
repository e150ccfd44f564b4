// A buffer with one write and one read port in block RAM (ULTRA 0) or UltraRAM (ULTRA 1). A read takes one cycle.
module buffer_1w1r #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 512,
    parameter bit ULTRA = 0
) (
    input  logic                     clk,
    input  logic                     write,
    input  logic [$clog2(DEPTH)-1:0] write_address,
    input  logic [        WIDTH-1:0] write_data,
    input  logic                     read,
    input  logic [$clog2(DEPTH)-1:0] read_address,
    output logic [        WIDTH-1:0] read_data
);
  if (ULTRA) begin : ultra
    (* ram_style = "ultra" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge clk) begin
      if (write) words[write_address] <= write_data;
      if (read) read_data <= words[read_address];
    end
  end else begin : block
    (* ram_style = "block" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge clk) begin
      if (write) words[write_address] <= write_data;
      if (read) read_data <= words[read_address];
    end
  end
endmodule
