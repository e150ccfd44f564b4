// Control of a process of LOOPS nested counted loops: bounds latched at `start`, one iteration a cycle while `enable`.
// `first` and `last` mark the first and the last iteration of the innermost loop. A bound of 0 ends the process at once.
module loop_nest #(
    parameter int LOOPS = 2,
    parameter int BITS = 16
) (
    input  logic                  clk,
    input  logic                  reset,
    input  logic                  start,
    input  logic                  enable,
    input  logic [LOOPS*BITS-1:0] bounds,  // innermost first
    output logic                  running,
    output logic                  first,
    output logic                  last,
    output logic                  done,
    output logic [LOOPS*BITS-1:0] counters
);
  logic [LOOPS*BITS-1:0] limits;
  wire [LOOPS-1:0] at_end, empty;
  for (genvar i = 0; i < LOOPS; ++i) begin : level
    assign at_end[i] = counters[i*BITS+:BITS] + BITS'(1) == limits[i*BITS+:BITS];
    assign empty[i] = bounds[i*BITS+:BITS] == 0;
    wire advance = running && enable && (i == 0 || &at_end[(i == 0 ? 0 : i-1):0]);
    always_ff @(posedge clk)
      if (start && !running) counters[i*BITS+:BITS] <= '0;
      else if (advance) counters[i*BITS+:BITS] <= at_end[i] ? '0 : counters[i*BITS+:BITS] + BITS'(1);
  end
  assign first = counters[BITS-1:0] == 0;
  assign last = at_end[0];
  always_ff @(posedge clk)
    if (reset) begin
      running <= 1'b0;
      done <= 1'b0;
    end else begin
      done <= running ? enable && &at_end : start && |empty;
      if (!running && start) begin
        running <= !(|empty);
        limits <= bounds;
      end else if (running && enable && &at_end) running <= 1'b0;
    end
endmodule
