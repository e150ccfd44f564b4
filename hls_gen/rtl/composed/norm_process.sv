// rms_norm (rms_norm.hpp) of one token: squares summed exactly while the vector arrives, the factor, then the vector again.
module norm_process #(
    parameter int CHANNELS = 2,
    parameter int WORDS = 32,
    parameter int BLOCKS = 2,
    parameter bit [31:0] COUNT = 32'h42800000,    // WORDS * CHANNELS, as fp32
    parameter bit [31:0] EPSILON = 32'h3727c5ac  // 1e-5
) (
    input  logic                   clk,
    input  logic                   reset,
    input  logic                   start,
    input  logic [CHANNELS*32-1:0] in,
    input  logic                   in_valid,
    output logic                   in_ready,
    input  logic [CHANNELS*32-1:0] gamma,
    input  logic                   gamma_valid,
    output logic                   gamma_ready,
    output logic [CHANNELS*32-1:0] out,
    output logic                   out_valid,
    input  logic                   out_ready,
    output logic                   finished
);
  localparam int MEMORY = 2, ADD = 7, MULTIPLY = 4, SUM = 2, TO_FLOAT = 6, DIVIDE = 12, ROOT = 4 + 3 * 19;
  localparam int LOAD_DEPTH = MULTIPLY + SUM;
  localparam int FACTOR_DEPTH = 1 + TO_FLOAT + MULTIPLY + DIVIDE + ADD + ROOT + 1;
  localparam int SCALE_DEPTH = MEMORY + 2 * MULTIPLY + 1;
  localparam int ADDRESS = $clog2(WORDS);
  typedef enum logic [2:0] {IDLE, TEST, LOAD, LOADING, FACTOR, FACTORS, SCALE, SCALING} state_t;
  state_t state;
  logic [15:0] block;
  wire load_enable, load_first, load_done, factor_enable, factor_done, scale_enable, scale_done;
  wire [LOAD_DEPTH-1:0] load_stage;
  wire [FACTOR_DEPTH-1:0] factor_stage;
  wire [SCALE_DEPTH-1:0] scale_stage;
  wire [15:0] load_word, lane, scale_word;
  pipelined_loop #(.DEPTH(LOAD_DEPTH)) load (
      .clk, .reset, .start(state == LOAD), .stall(load_stage[0] && !in_valid), .bounds(16'(WORDS)), .enable(load_enable),
      .stage(load_stage), .first(load_first), .last(), .counters(load_word), .done(load_done)
  );
  assign in_ready = load_stage[0] && load_enable;
  wire [64*CHANNELS-1:0] wholes, fractions;
  wire squares_first;
  delay_line #(.DEPTH(MULTIPLY)) first_late (.clk, .enable(load_enable), .in(load_first), .out(squares_first));
  wire [CHANNELS*32-1:0] values_1;
  logic [CHANNELS*32-1:0] values;  // the memory's output register
  always_ff @(posedge clk) if (scale_enable) values <= values_1;
  buffer_1w1r #(.WIDTH(CHANNELS * 32), .DEPTH(WORDS), .ULTRA(1)) buffer (
      .clk, .write(in_ready), .write_address(load_word[ADDRESS-1:0]), .write_data(in), .read(scale_enable),
      .read_address(scale_word[ADDRESS-1:0]), .read_data(values_1)
  );

  // The sums of the lanes, added one by one; then mean, root and its inverse.
  pipelined_loop #(.DEPTH(FACTOR_DEPTH)) factors (
      .clk, .reset, .start(state == FACTOR), .stall(1'b0), .bounds(16'(CHANNELS)), .enable(factor_enable), .stage(factor_stage),
      .first(), .last(), .counters(lane), .done(factor_done)
  );
  logic [63:0] whole, fraction;
  always_ff @(posedge clk)
    if (factor_enable && factor_stage[0]) begin
      whole <= (lane == 0 ? 64'd0 : whole) + wholes[64*lane+:64];
      fraction <= (lane == 0 ? 64'd0 : fraction) + fractions[64*lane+:64];
    end
  wire [63:0] high = whole + {44'd0, fraction[63:44]};
  wire [63:0] low = {20'd0, fraction[43:0]};
  wire [63:0] joined = high == 0 ? low : |high[63:26] ? high | 64'(low != 0) : (high << 38) | (low >> 6) | 64'(low[5:0] != 0);
  wire [31:0] unit = high == 0 ? 32'h29800000 : |high[63:26] ? 32'h3f800000 : 32'h2c800000;  // 2^-44, 1, 2^-38
  wire [31:0] converted, unit_late, total, mean, shifted, root;
  int_to_fp #(.IN(65)) convert (.clk, .enable(factor_enable), .x({1'b0, joined}), .y(converted));
  delay_line #(.WIDTH(32), .DEPTH(TO_FLOAT)) unit_at (.clk, .enable(factor_enable), .in(unit), .out(unit_late));
  fp_multiply weigh (.clk, .enable(factor_enable), .a(converted), .b(unit_late), .y(total));
  fp_divide divide (.clk, .enable(factor_enable), .a(total), .b(COUNT), .y(mean));
  fp_add add_epsilon (.clk, .enable(factor_enable), .a(mean), .b(EPSILON), .y(shifted));
  fp_rsqrt inverse (.clk, .enable(factor_enable), .v(shifted), .y(root));
  logic [31:0] factor;
  always_ff @(posedge clk) if (factor_enable && factor_stage[FACTOR_DEPTH-1]) factor <= root;

  pipelined_loop #(.DEPTH(SCALE_DEPTH)) scale (
      .clk, .reset, .start(state == SCALE), .stall((scale_stage[0] && !gamma_valid) || (scale_stage[SCALE_DEPTH-1] && !out_ready)),
      .bounds(16'(WORDS)), .enable(scale_enable), .stage(scale_stage), .first(), .last(), .counters(scale_word), .done(scale_done)
  );
  assign gamma_ready = scale_stage[0] && scale_enable;
  assign out_valid = scale_stage[SCALE_DEPTH-1] && scale_enable;
  wire [CHANNELS*32-1:0] gamma_late;
  delay_line #(.WIDTH(CHANNELS * 32), .DEPTH(MEMORY + MULTIPLY)) gamma_at (.clk, .enable(scale_enable), .in(gamma), .out(gamma_late));
  for (genvar i = 0; i < CHANNELS; ++i) begin : channel
    wire [31:0] squared, normalized;
    fp_multiply square (.clk, .enable(load_enable), .a(in[32*i+:32]), .b(in[32*i+:32]), .y(squared));
    exact_sum sum (
        .clk, .enable(load_enable && (load_stage[MULTIPLY] || load_stage[MULTIPLY+1])), .first(squares_first), .square(squared),
        .whole(wholes[64*i+:64]), .fraction(fractions[64*i+:64])
    );
    fp_multiply normalize (.clk, .enable(scale_enable), .a(values[32*i+:32]), .b(factor), .y(normalized));
    fp_multiply weight (.clk, .enable(scale_enable), .a(normalized), .b(gamma_late[32*i+:32]), .y(out[32*i+:32]));
  end
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
          state <= block == 16'(BLOCKS) ? IDLE : LOAD;
          finished <= block == 16'(BLOCKS);
          block <= block + 16'd1;
        end
        LOAD: state <= LOADING;
        LOADING: if (load_done) state <= FACTOR;
        FACTOR: state <= FACTORS;
        FACTORS: if (factor_done) state <= SCALE;
        SCALE: state <= SCALING;
        default: if (scale_done) state <= TEST;
      endcase
endmodule
