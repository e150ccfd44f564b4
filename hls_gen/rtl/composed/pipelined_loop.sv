// Control of a pipelined loop: LOOPS flattened levels, an iteration every INTERVAL cycles, DEPTH stages that stall together.
//
// `start` in cycle t: the first iteration is in stage 0 in cycle t + 1. `done` comes DEPTH cycles after the last iteration
// was in stage 0, or in cycle t + 1 where a bound is 0; whoever waits for it goes on in the next cycle.
// `stage[i]`: an iteration is in stage i; stage 0 of an interval's first cycle alone. While `stall` nothing moves.
module pipelined_loop #(
    parameter int LOOPS = 1,
    parameter int BITS = 16,
    parameter int INTERVAL = 1,
    parameter int DEPTH = 1
) (
    input  logic                  clk,
    input  logic                  reset,
    input  logic                  start,
    input  logic                  stall,
    input  logic [LOOPS*BITS-1:0] bounds,  // innermost first
    output logic                  enable,
    output logic [     DEPTH-1:0] stage,
    output logic                  first,   // of the innermost level, in stage 0
    output logic                  last,
    output logic [LOOPS*BITS-1:0] counters,
    output logic                  done
);
  localparam int PHASES = $clog2(INTERVAL + 1);
  logic busy;
  logic [PHASES-1:0] phase;
  wire running;
  wire issue = running && phase == 0;
  assign enable = busy && !stall;
  loop_nest #(.LOOPS(LOOPS), .BITS(BITS)) nest (
      .clk, .reset, .start(start && !busy), .enable(enable && phase == 0), .bounds, .running, .first, .last, .done(), .counters
  );
  if (DEPTH == 1) begin : single
    assign stage = issue;
  end else begin : many
    logic [DEPTH-1:1] occupied;
    assign stage = {occupied, issue};
    always_ff @(posedge clk)
      if (reset) occupied <= '0;
      else if (enable) occupied <= stage[DEPTH-2:0];
  end
  assign done = busy && !running && stage == 0;
  always_ff @(posedge clk)
    if (reset) begin
      busy <= 1'b0;
      phase <= '0;
    end else begin
      busy <= start || (busy && !done);
      if (!busy) phase <= '0;
      else if (running && enable) phase <= phase == PHASES'(INTERVAL - 1) ? '0 : phase + PHASES'(1);
    end
endmodule
