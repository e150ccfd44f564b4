// hadamard_serial (hadamard.hpp) of a power of two: one buffer, the butterflies of a stride after those of the one before.
module hadamard_serial_process #(
    parameter int N = 64,
    parameter int CHANNELS = 2,
    parameter int VECTORS = 2,
    parameter bit [31:0] FACTOR = 32'h3e000000
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   start,
    input  logic [CHANNELS*32-1:0] in,
    input  logic                   in_valid,
    output logic                   in_ready,
    output logic [CHANNELS*32-1:0] out,
    output logic                   out_valid,
    input  logic                   out_ready,
    output logic                   finished
);
  localparam int WORDS = N / CHANNELS;
  localparam int LEVELS = $clog2(WORDS);
  localparam int WIDTH = CHANNELS * 32;
  localparam int ADD = 7, MULTIPLY = 4, MEMORY = 2;  // a RAM with its output register
  localparam int LOAD_DEPTH = ADD * $clog2(CHANNELS) + 1;
  localparam int LEVEL_DEPTH = MEMORY + ADD + 1;
  localparam int SCALE_DEPTH = MEMORY + MULTIPLY + 1;
  typedef enum logic [3:0] {IDLE, TEST_VECTOR, LOAD, LOADING, TEST_LEVEL, LEVEL, LEVELLING, SCALE, SCALING} state_t;
  state_t state;
  logic [15:0] vector, level;
  logic [WIDTH-1:0] buffer[WORDS];

  wire load_enable, load_done, level_enable, level_done, scale_enable, scale_done;
  wire [LOAD_DEPTH-1:0] load_stage;
  wire [LEVEL_DEPTH-1:0] level_stage;
  wire [SCALE_DEPTH-1:0] scale_stage;
  wire [15:0] load_word, load_late, pair, scale_word;
  pipelined_loop #(.DEPTH(LOAD_DEPTH)) load (
      .clk, .reset, .start(state == LOAD), .stall(load_stage[0] && !in_valid), .bounds(16'(WORDS)), .enable(load_enable),
      .stage(load_stage), .first(), .last(), .counters(load_word), .done(load_done)
  );
  assign in_ready = load_stage[0] && load_enable;
  wire [WIDTH-1:0] loaded;
  hadamard_word #(.CHANNELS(CHANNELS), .ADD_LATENCY(ADD)) in_word (.clk, .enable(load_enable), .x(in), .y(loaded));
  delay_line #(.WIDTH(16), .DEPTH(LOAD_DEPTH - 1)) load_address (.clk, .enable(load_enable), .in(load_word), .out(load_late));

  // Two words of a pair are read in the first cycle of its two, and written in the last stage: two ports suffice.
  pipelined_loop #(.DEPTH(LEVEL_DEPTH), .INTERVAL(2)) butterflies (
      .clk, .reset, .start(state == LEVEL), .stall(1'b0), .bounds(16'(WORDS / 2)), .enable(level_enable),
      .stage(level_stage), .first(), .last(), .counters(pair), .done(level_done)
  );
  wire [15:0] stride = 16'd1 << (level - 16'd1);  // `level` counts from 1 while it runs
  wire [15:0] low = (pair >> (level - 16'd1) << level) + (pair & (stride - 16'd1));
  wire [15:0] low_late;
  logic [WIDTH-1:0] u_1, v_1, u, v;
  wire [WIDTH-1:0] sum, difference;
  for (genvar i = 0; i < CHANNELS; ++i) begin : lane
    fp_butterfly #(.ADD_LATENCY(ADD)) butterfly (
        .clk, .enable(level_enable), .u(u[32*i+:32]), .v(v[32*i+:32]), .sum(sum[32*i+:32]), .difference(difference[32*i+:32])
    );
    fp_multiply scaled (.clk, .enable(scale_enable), .a(scale_read[32*i+:32]), .b(FACTOR), .y(out[32*i+:32]));
  end
  delay_line #(.WIDTH(16), .DEPTH(LEVEL_DEPTH - 1)) level_address (.clk, .enable(level_enable), .in(low), .out(low_late));

  pipelined_loop #(.DEPTH(SCALE_DEPTH)) scale (
      .clk, .reset, .start(state == SCALE), .stall(scale_stage[SCALE_DEPTH-1] && !out_ready), .bounds(16'(WORDS)),
      .enable(scale_enable), .stage(scale_stage), .first(), .last(), .counters(scale_word), .done(scale_done)
  );
  logic [WIDTH-1:0] scale_1, scale_read;
  assign out_valid = scale_stage[SCALE_DEPTH-1] && scale_enable;
  always_ff @(posedge clk) begin
    if (load_stage[LOAD_DEPTH-1] && load_enable) buffer[load_late[LEVELS-1:0]] <= loaded;
    if (level_enable) begin
      u_1 <= buffer[low[LEVELS-1:0]];
      v_1 <= buffer[LEVELS'(low + stride)];
      u <= u_1;
      v <= v_1;
    end
    if (level_stage[LEVEL_DEPTH-1] && level_enable) begin
      buffer[low_late[LEVELS-1:0]] <= sum;
      buffer[LEVELS'(low_late + stride)] <= difference;
    end
    if (scale_enable) begin
      scale_1 <= buffer[scale_word[LEVELS-1:0]];
      scale_read <= scale_1;
    end
  end
  always_ff @(posedge clk)
    if (reset) begin
      state <= IDLE;
      finished <= 1'b0;
    end else
      case (state)
        IDLE: if (start) begin
          state <= TEST_VECTOR;
          vector <= '0;
          finished <= 1'b0;
        end
        TEST_VECTOR: begin
          state <= vector == 16'(VECTORS) ? IDLE : LOAD;
          finished <= vector == 16'(VECTORS);
          vector <= vector + 16'd1;
        end
        LOAD: state <= LOADING;
        LOADING: if (load_done) begin
          state <= TEST_LEVEL;
          level <= '0;
        end
        TEST_LEVEL: begin
          state <= level == 16'(LEVELS) ? SCALE : LEVEL;
          level <= level + 16'd1;
        end
        LEVEL: state <= LEVELLING;
        LEVELLING: if (level_done) state <= TEST_LEVEL;
        SCALE: state <= SCALING;
        default: if (scale_done) state <= TEST_VECTOR;
      endcase
endmodule
