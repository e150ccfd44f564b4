// softmax (softmax.hpp) of rows that are tokens: maxima while the scores arrive, then the weights, then their sums.
module softmax_process #(
    parameter int ROWS = 2,
    parameter int GROUPS = 2,
    parameter int P_BITS = 8,
    parameter int KEYS = 16,
    parameter int POSITION = 8,
    parameter int UNITS = 2
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   start,
    input  logic [    ROWS*32-1:0] in,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [ROWS*P_BITS-1:0] weight,
    output logic                   weight_valid,
    input  logic                   weight_ready,
    output logic [    ROWS*32-1:0] sum,
    output logic                   sum_valid,
    input  logic                   sum_ready,
    output logic                   finished
);
  localparam int MEMORY = 2, SUBTRACT = 7, EXP = 15, MULTIPLY = 4, ROUND = 2, TO_FLOAT = 6;
  localparam int WEIGHT_DEPTH = MEMORY + SUBTRACT + EXP + MULTIPLY + ROUND + 1;
  localparam int SUM_DEPTH = TO_FLOAT + 1;
  localparam int ADDRESS = $clog2(KEYS * GROUPS);
  typedef enum logic [2:0] {IDLE, TEST, LOAD, LOADING, WEIGHT, WEIGHING, SUM, SUMMING} state_t;
  state_t state;
  logic [15:0] unit;
  logic [ROWS*32-1:0] buffer[KEYS*GROUPS];
  logic [31:0] largest[GROUPS*ROWS], totals[GROUPS*ROWS];
  wire load_enable, load_stage, load_done, weight_enable, weight_done, sum_enable, sum_done;
  wire [WEIGHT_DEPTH-1:0] weight_stage;
  wire [SUM_DEPTH-1:0] sum_stage;
  wire [31:0] load_at, weight_at, weight_late;  // key, group
  wire [15:0] sum_group;
  pipelined_loop #(.LOOPS(2)) load (
      .clk, .reset, .start(state == LOAD), .stall(load_stage && !in_valid), .bounds({16'(KEYS), 16'(GROUPS)}), .enable(load_enable),
      .stage(load_stage), .first(), .last(), .counters(load_at), .done(load_done)
  );
  assign in_ready = load_stage && load_enable;
  pipelined_loop #(.LOOPS(2), .DEPTH(WEIGHT_DEPTH)) weigh (
      .clk, .reset, .start(state == WEIGHT), .stall(weight_stage[WEIGHT_DEPTH-1] && !weight_ready),
      .bounds({16'(KEYS), 16'(GROUPS)}), .enable(weight_enable), .stage(weight_stage), .first(), .last(), .counters(weight_at), .done(weight_done)
  );
  assign weight_valid = weight_stage[WEIGHT_DEPTH-1] && weight_enable;
  delay_line #(.WIDTH(32), .DEPTH(WEIGHT_DEPTH - 1)) at_late (.clk, .enable(weight_enable), .in(weight_at), .out(weight_late));
  pipelined_loop #(.DEPTH(SUM_DEPTH)) add_up (
      .clk, .reset, .start(state == SUM), .stall(sum_stage[SUM_DEPTH-1] && !sum_ready), .bounds(16'(GROUPS)), .enable(sum_enable),
      .stage(sum_stage), .first(), .last(), .counters(sum_group), .done(sum_done)
  );
  assign sum_valid = sum_stage[SUM_DEPTH-1] && sum_enable;

  logic [ROWS*32-1:0] score_1, score;  // a RAM with its output register
  logic [31:0] weight_at_1, weight_at_2;
  for (genvar t = 0; t < ROWS; ++t) begin : row
    wire [31:0] x = in[32*t+:32];
    wire [31:0] key = x[31] ? ~x : {1'b1, x[30:0]};
    wire [31:0] load_index = 32'(load_at[15:0]) * ROWS + t;
    wire [31:0] earlier = load_at[31:16] == 0 ? 32'd0 : largest[load_index];
    wire [31:0] top_key = largest[32'(weight_at_2[15:0])*ROWS+t];
    wire [31:0] top = top_key[31] ? {1'b0, top_key[30:0]} : ~top_key;
    wire visible = 32'(weight_at_2[31:16]) <= POSITION + t;
    wire [31:0] apart, power, scaled;
    wire visible_late;
    wire [P_BITS-1:0] rounded;
    fp_add #(.SUBTRACT(1)) subtract (.clk, .enable(weight_enable), .a(visible ? score[32*t+:32] : top), .b(top), .y(apart));
    fp_exp exponential (.clk, .enable(weight_enable), .x(apart), .y(power));
    fp_multiply scale (.clk, .enable(weight_enable), .a(power), .b(P_BITS == 8 ? 32'h437f0000 : 32'h41700000), .y(scaled));
    round_to_integer #(.BITS(P_BITS), .SIGNED(0)) round (.clk, .enable(weight_enable), .x(scaled), .q(rounded));
    delay_line #(.DEPTH(WEIGHT_DEPTH - 1 - MEMORY)) visible_at (.clk, .enable(weight_enable), .in(visible), .out(visible_late));
    assign weight[t*P_BITS+:P_BITS] = visible_late ? rounded : '0;
    int_to_fp #(.IN(33)) total (.clk, .enable(sum_enable), .x({1'b0, totals[32'(sum_group)*ROWS+t]}), .y(sum[32*t+:32]));
    always_ff @(posedge clk) begin
      if (in_ready) largest[load_index] <= 32'(load_at[31:16]) <= POSITION + t && key > earlier ? key : earlier;
      if (weight_valid) totals[32'(weight_late[15:0])*ROWS+t] <=
          (weight_late[31:16] == 0 ? 32'd0 : totals[32'(weight_late[15:0])*ROWS+t]) + 32'(weight[t*P_BITS+:P_BITS]);
    end
  end
  always_ff @(posedge clk) begin
    if (in_ready) buffer[ADDRESS'(32'(load_at[31:16]) * GROUPS + 32'(load_at[15:0]))] <= in;
    if (weight_enable) begin
      score_1 <= buffer[ADDRESS'(32'(weight_at[31:16]) * GROUPS + 32'(weight_at[15:0]))];
      score <= score_1;
      weight_at_1 <= weight_at;
      weight_at_2 <= weight_at_1;
    end
  end
  always_ff @(posedge clk)
    if (reset) begin
      state <= IDLE;
      finished <= 1'b0;
    end else
      case (state)
        IDLE: if (start) begin
          state <= TEST;
          unit <= '0;
          finished <= 1'b0;
        end
        TEST: begin
          state <= unit == 16'(UNITS) ? IDLE : LOAD;
          finished <= unit == 16'(UNITS);
          unit <= unit + 16'd1;
        end
        LOAD: state <= LOADING;
        LOADING: if (load_done) state <= WEIGHT;
        WEIGHT: state <= WEIGHING;
        WEIGHING: if (weight_done) state <= SUM;
        SUM: state <= SUMMING;
        default: if (sum_done) state <= TEST;
      endcase
endmodule
