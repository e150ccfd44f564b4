// A process that is one pipelined loop: reads its inputs in stage 0, writes its outputs in the last stage.
//
// `start` in the cycle before the process begins; `finished` from the cycle in which it has ended. What is between the
// stages, DEPTH - 1 registers behind `enable`, is the caller's. An input or output takes part in the iterations that `takes` and `gives`
// mark, in their stage; the pipeline stands still while one of them waits, and then none of them moves.
module pipelined_process #(
    parameter int INPUTS = 1,
    parameter int OUTPUTS = 1,
    parameter int LOOPS = 1,
    parameter int BITS = 16,
    parameter int INTERVAL = 1,
    parameter int DEPTH = 1
) (
    input  logic                  clk,
    input  logic                  reset,
    input  logic                  start,
    input  logic [LOOPS*BITS-1:0] bounds,
    input  logic [    INPUTS-1:0] takes,
    input  logic [    INPUTS-1:0] in_valid,
    output logic [    INPUTS-1:0] in_ready,
    input  logic [   OUTPUTS-1:0] gives,
    output logic [   OUTPUTS-1:0] out_valid,
    input  logic [   OUTPUTS-1:0] out_ready,
    output logic                  enable,
    output logic [     DEPTH-1:0] stage,
    output logic                  first,
    output logic                  last,
    output logic [LOOPS*BITS-1:0] counters,
    output logic                  finished
);
  logic starting;
  wire done;
  wire [INPUTS-1:0] reads = stage[0] ? takes : '0;
  wire [OUTPUTS-1:0] writes = stage[DEPTH-1] ? gives : '0;
  wire stall = |(reads & ~in_valid) || |(writes & ~out_ready);
  assign in_ready = enable ? reads : '0;
  assign out_valid = enable ? writes : '0;
  pipelined_loop #(.LOOPS(LOOPS), .BITS(BITS), .INTERVAL(INTERVAL), .DEPTH(DEPTH)) control (
      .clk, .reset, .start(starting), .stall, .bounds, .enable, .stage, .first, .last, .counters, .done
  );
  always_ff @(posedge clk)
    if (reset) begin
      starting <= 1'b0;
      finished <= 1'b0;
    end else begin
      starting <= start;
      if (start) finished <= 1'b0;
      else if (done) finished <= 1'b1;
    end
endmodule
