// Writes WORDS words back to back for each word that it is allowed one, BURSTS times.
module burst_source #(
    parameter int WORDS = 16,
    parameter int BURSTS = 8,
    parameter int WIDTH = 32
) (
    input  logic             clk,
    input  logic             reset,
    input  logic             start,
    input  logic [WIDTH-1:0] in,
    input  logic             in_valid,
    output logic             in_ready,
    output logic [WIDTH-1:0] out,
    output logic             out_valid,
    input  logic             out_ready,
    output logic             finished
);
  typedef enum logic [2:0] {IDLE, TEST, TAKE, BURST, BURSTING} state_t;
  state_t state;
  logic [15:0] burst;
  wire enable, stage, done;
  assign in_ready = state == TAKE;
  pipelined_loop words (
      .clk, .reset, .start(state == BURST), .stall(stage && !out_ready), .bounds(16'(WORDS)), .enable, .stage, .first(), .last(),
      .counters(), .done
  );
  assign out_valid = stage && enable;
  always_ff @(posedge clk)
    if (reset) begin
      state <= IDLE;
      finished <= 1'b0;
    end else
      case (state)
        IDLE: if (start) begin
          state <= TEST;
          burst <= '0;
          finished <= 1'b0;
        end
        TEST: begin
          state <= burst == 16'(BURSTS) ? IDLE : TAKE;
          finished <= burst == 16'(BURSTS);
          burst <= burst + 16'd1;
        end
        TAKE: if (in_valid) begin
          state <= BURST;
          out <= in;
        end
        BURST: state <= BURSTING;
        default: if (done) state <= TEST;
      endcase
endmodule
