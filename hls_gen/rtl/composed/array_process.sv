// One array of multiply-accumulates with its weights: systolic_sub_array (systolic_linear.hpp), and with ROWS 1 gemv_lane_unit
// (gemv.hpp) whose lanes are of one group. Of a pass the results leave while the next pass is computed, of the last in a loop of
// their own; passes follow each other without a gap.
module array_process #(
    parameter int ROWS = 4,
    parameter int COLUMNS = 8,
    parameter int KIND = 1,
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 4,
    parameter int ACC = 19,
    parameter int D_IN = 64,
    parameter int PASSES = 2,
    parameter int BLOCKS = 1
) (
    input  logic                      clk,
    input  logic                      reset,
    input  logic                      start,
    input  logic [   ROWS*X_BITS-1:0] x,
    input  logic                      x_valid,
    output logic                      x_ready,
    input  logic [COLUMNS*W_BITS-1:0] w,
    input  logic                      w_valid,
    output logic                      w_ready,
    output logic [      ROWS*ACC-1:0] out,
    output logic                      out_valid,
    input  logic                      out_ready,
    output logic                      finished
);
  // mac_tile's first column is at its output this many cycles after the last step went in: the last stage of the loop.
  localparam int TILE_LATENCY = (KIND == 1 ? 4 : KIND == 2 || KIND == 3 ? 5 : 3) + 1;
  localparam int DEPTH = TILE_LATENCY;
  typedef enum logic [2:0] {IDLE, TEST, MAC, MACS, FLUSH, FLUSHING} state_t;
  state_t state;
  logic [15:0] block;
  wire mac_enable, mac_first, mac_last, mac_done, flush_enable, flush_stage, flush_done;
  wire [DEPTH-1:0] mac_stage;
  wire [31:0] counters;
  // A result leaves in the first COLUMNS steps of the later passes.
  wire drains = counters[31:16] != 0 && counters[15:0] < 16'(COLUMNS);
  wire drains_late;
  delay_line #(.DEPTH(DEPTH - 1)) drain_stage (.clk, .enable(mac_enable), .in(drains), .out(drains_late));
  wire mac_writes = mac_stage[DEPTH-1] && drains_late;
  wire mac_stall = (mac_stage[0] && !(x_valid && w_valid)) || (mac_writes && !out_ready);
  pipelined_loop #(.LOOPS(2), .DEPTH(DEPTH)) mac (
      .clk, .reset, .start(state == MAC), .stall(mac_stall), .bounds({16'(PASSES), 16'(D_IN)}), .enable(mac_enable),
      .stage(mac_stage), .first(mac_first), .last(mac_last), .counters, .done(mac_done)
  );
  pipelined_loop flush (
      .clk, .reset, .start(state == FLUSH), .stall(flush_stage && !out_ready), .bounds(16'(COLUMNS)), .enable(flush_enable),
      .stage(flush_stage), .first(), .last(), .counters(), .done(flush_done)
  );
  assign x_ready = mac_stage[0] && mac_enable;
  assign w_ready = x_ready;
  assign out_valid = (mac_writes && mac_enable) || (flush_stage && flush_enable);
  mac_tile #(.ROWS(ROWS), .COLUMNS(COLUMNS), .KIND(KIND), .X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC)) tile (
      .clk, .enable((mac_enable && |mac_stage) || (flush_stage && flush_enable)), .first(mac_stage[0] && mac_first),
      .last(mac_stage[0] && mac_last), .x, .w, .column(out), .column_0()
  );
  always_ff @(posedge clk)
    if (reset) begin
      state <= IDLE;
      finished <= 1'b0;
    end else
      case (state)
        IDLE: if (start) begin
          state <= TEST;
          block <= '0;
          finished <= 1'b0;
        end
        TEST: begin
          state <= block == 16'(BLOCKS) ? IDLE : MAC;
          finished <= block == 16'(BLOCKS);
          block <= block + 16'd1;
        end
        MAC: state <= MACS;
        MACS: if (mac_done) state <= FLUSH;
        FLUSH: state <= FLUSHING;
        default: if (flush_done) state <= TEST;
      endcase
endmodule
