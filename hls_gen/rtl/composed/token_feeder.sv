// feed_tokens (systolic_linear.hpp): takes a block of D_IN words in, then sends it to SUBS arrays, once a pass.
module token_feeder #(
    parameter int WIDTH = 16,
    parameter int D_IN = 64,
    parameter int PASSES = 2,
    parameter int BLOCKS = 1,
    parameter int SUBS = 1
) (
    input  logic             clk,
    input  logic             reset,
    input  logic             start,
    input  logic [WIDTH-1:0] in,
    input  logic             in_valid,
    output logic             in_ready,
    output logic [WIDTH-1:0] out,
    output logic [ SUBS-1:0] out_valid,
    input  logic [ SUBS-1:0] out_ready,
    output logic             finished
);
  localparam int ADDRESS = $clog2(D_IN);
  localparam int FEED_DEPTH = 2;  // a cycle of the memory, then the FIFOs
  typedef enum logic [2:0] {IDLE, TEST, FILL, FILLING, FEED, FEEDING} state_t;
  state_t state;
  logic [15:0] block;
  wire fill_enable, fill_done, feed_enable, feed_done;
  wire fill_stage;
  wire [FEED_DEPTH-1:0] feed_stage;
  wire [15:0] fill_k;
  wire [31:0] feed_k;  // pass, channel
  pipelined_loop fill (
      .clk, .reset, .start(state == FILL), .stall(fill_stage && !in_valid), .bounds(16'(D_IN)), .enable(fill_enable),
      .stage(fill_stage), .first(), .last(), .counters(fill_k), .done(fill_done)
  );
  assign in_ready = fill_stage && fill_enable;
  pipelined_loop #(.LOOPS(2), .DEPTH(FEED_DEPTH)) feed (
      .clk, .reset, .start(state == FEED), .stall(feed_stage[FEED_DEPTH-1] && !(&out_ready)),
      .bounds({16'(PASSES), 16'(D_IN)}), .enable(feed_enable), .stage(feed_stage), .first(), .last(), .counters(feed_k), .done(feed_done)
  );
  buffer_1w1r #(.WIDTH(WIDTH), .DEPTH(D_IN), .ULTRA(1)) buffer (
      .clk, .write(in_ready), .write_address(fill_k[ADDRESS-1:0]), .write_data(in), .read(feed_enable),
      .read_address(feed_k[ADDRESS-1:0]), .read_data(out)
  );
  assign out_valid = {SUBS{feed_stage[FEED_DEPTH-1] && feed_enable}};
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
          state <= block == 16'(BLOCKS) ? IDLE : FILL;
          finished <= block == 16'(BLOCKS);
          block <= block + 16'd1;
        end
        FILL: state <= FILLING;
        FILLING: if (fill_done) state <= FEED;
        FEED: state <= FEEDING;
        default: if (feed_done) state <= TEST;
      endcase
endmodule
