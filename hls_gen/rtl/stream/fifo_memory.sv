// A deep FIFO in block RAM (ULTRA 0) or UltraRAM (ULTRA 1), first word falling through, valid and ready on both sides.
// A word is at the output two cycles after it was written. DEPTH words in all. C++: fifo<T, DEPTH> (stream.hpp).
module fifo_memory #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 512,
    parameter bit ULTRA = 0
) (
    input  logic             clk,
    input  logic             reset,
    input  logic [WIDTH-1:0] in,
    input  logic             in_valid,
    output logic             in_ready,
    output logic [WIDTH-1:0] out,
    output logic             out_valid,
    input  logic             out_ready
);
  localparam int ADDRESS = $clog2(DEPTH);
  localparam int BITS = $clog2(DEPTH + 1);
  logic [ADDRESS-1:0] write_address, read_address;
  logic [BITS-1:0] stored, total;  // in the memory; with the word at the output
  wire write = in_valid && in_ready;
  wire read = out_valid && out_ready;
  wire fetch = stored != 0 && (!out_valid || out_ready);
  assign in_ready = total != BITS'(DEPTH);
  buffer_1w1r #(.WIDTH(WIDTH), .DEPTH(DEPTH), .ULTRA(ULTRA)) memory (
      .clk, .write, .write_address, .write_data(in), .read(fetch), .read_address, .read_data(out)
  );
  always_ff @(posedge clk)
    if (reset) begin
      write_address <= '0;
      read_address <= '0;
      stored <= '0;
      total <= '0;
      out_valid <= 1'b0;
    end else begin
      if (write) write_address <= write_address == ADDRESS'(DEPTH - 1) ? '0 : write_address + ADDRESS'(1);
      if (fetch) read_address <= read_address == ADDRESS'(DEPTH - 1) ? '0 : read_address + ADDRESS'(1);
      stored <= stored + BITS'(write) - BITS'(fetch);
      total <= total + BITS'(write) - BITS'(read);
      if (fetch) out_valid <= 1'b1;
      else if (out_ready) out_valid <= 1'b0;
    end
endmodule
