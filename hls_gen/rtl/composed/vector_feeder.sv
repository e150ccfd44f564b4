// feed_vector (gemv.hpp): D_IN activations of a token, GROUPS a word, sent to UNITS lane units one by one, once a pass; the first
// pass sends them as they arrive. The passes are loops of their own: counters are set anew between them.
module vector_feeder #(
    parameter int GROUPS = 2,
    parameter int X_BITS = 4,
    parameter int D_IN = 64,
    parameter int PASSES = 2,
    parameter int TOKENS = 1,
    parameter int UNITS = 1
) (
    input  logic                     clk,
    input  logic                     reset,
    input  logic                     start,
    input  logic [GROUPS*X_BITS-1:0] in,
    input  logic                     in_valid,
    output logic                     in_ready,
    output logic [       X_BITS-1:0] out,
    output logic [        UNITS-1:0] out_valid,
    input  logic [        UNITS-1:0] out_ready,
    output logic                     finished
);
  localparam int DEPTH = 3;  // take a word; a cycle of the memory; choose and send
  localparam int ROWS = D_IN / GROUPS;
  localparam int ADDRESS = $clog2(ROWS);
  typedef enum logic [2:0] {IDLE, TEST_TOKEN, TEST_PASS, FEED, FEEDING} state_t;
  state_t state;
  logic [15:0] token, pass, bank, row;
  wire enable, done;
  wire [DEPTH-1:0] stage;
  wire takes = pass == 16'd1 && bank == 0;  // `pass` counts from 1 while it runs
  wire stall = (stage[0] && takes && !in_valid) || (stage[DEPTH-1] && !(&out_ready));
  pipelined_loop #(.DEPTH(DEPTH)) feed (
      .clk, .reset, .start(state == FEED), .stall, .bounds(16'(D_IN)), .enable, .stage, .first(), .last(), .counters(), .done
  );
  assign in_ready = stage[0] && takes && enable;
  // Stage 0: a word into the banks, and its first value on its way; the others follow from a shift register.
  logic [GROUPS*X_BITS-1:0] fresh;
  wire [GROUPS*X_BITS-1:0] now = takes ? in : fresh;
  logic [X_BITS-1:0] fresh_1, sent;
  logic [15:0] bank_1;
  wire [GROUPS*X_BITS-1:0] stored;
  for (genvar g = 0; g < GROUPS; ++g) begin : bank_at
    buffer_1w1r #(.WIDTH(X_BITS), .DEPTH(ROWS), .ULTRA(0)) memory (
        .clk, .write(in_ready), .write_address(row[ADDRESS-1:0]), .write_data(in[g*X_BITS+:X_BITS]), .read(enable),
        .read_address(row[ADDRESS-1:0]), .read_data(stored[g*X_BITS+:X_BITS])
    );
  end
  always_ff @(posedge clk)
    if (enable) begin
      if (stage[0]) begin
        fresh <= now >> X_BITS;
        fresh_1 <= now[X_BITS-1:0];
        bank_1 <= bank;
      end
      sent <= pass == 16'd1 ? fresh_1 : X_BITS'(stored >> (bank_1 * X_BITS));
    end
  assign out = sent;
  assign out_valid = {UNITS{stage[DEPTH-1] && enable}};
  always_ff @(posedge clk)
    if (reset) begin
      state <= IDLE;
      finished <= 1'b0;
    end else
      case (state)
        IDLE: if (start) begin
          state <= TEST_TOKEN;
          token <= '0;
          finished <= 1'b0;
        end
        TEST_TOKEN: begin
          state <= token == 16'(TOKENS) ? IDLE : TEST_PASS;
          finished <= token == 16'(TOKENS);
          token <= token + 16'd1;
          pass <= '0;
        end
        TEST_PASS: begin
          state <= pass == 16'(PASSES) ? TEST_TOKEN : FEED;
          pass <= pass + 16'd1;
          bank <= '0;
          row <= '0;
        end
        FEED: state <= FEEDING;
        default: begin
          if (enable && stage[0]) begin
            bank <= bank == 16'(GROUPS - 1) ? '0 : bank + 16'd1;
            row <= bank == 16'(GROUPS - 1) ? row + 16'd1 : row;
          end
          if (done) state <= TEST_PASS;
        end
      endcase
endmodule
