// A short FIFO in shift-register LUTs, first word falling through, with valid and ready on both sides.
// A word is at the output the cycle after it was written. C++: fifo<T, DEPTH> (stream.hpp).
module fifo_registers #(
    parameter int WIDTH = 32,
    parameter int DEPTH = 2
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
  localparam int BITS = $clog2(DEPTH + 1);
  localparam int ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  logic [WIDTH-1:0] words[DEPTH];
  logic [BITS-1:0] count;
  wire write = in_valid && in_ready;
  wire read = out_valid && out_ready;
  wire [ADDRESS-1:0] newest = ADDRESS'(count - BITS'(1));
  assign in_ready = count != BITS'(DEPTH);
  assign out_valid = count != 0;
  assign out = words[newest];
  always_ff @(posedge clk)
    if (write) begin
      words[0] <= in;
      for (int i = 1; i < DEPTH; ++i) words[i] <= words[i-1];
    end
  always_ff @(posedge clk)
    if (reset) count <= '0;
    else if (write && !read) count <= count + BITS'(1);
    else if (read && !write) count <= count - BITS'(1);
endmodule
