// Bursts of 20 words, one for each of 12 credits, through a pipeline to a reader of half their rate.
module case_chain_bursts (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [31:0] data
);
  wire [3:0] ended;
  assign finished = &ended;
  wire [31:0] credits_in, credits_out;
  wire credits_in_valid, credits_in_ready, credits_valid, credits_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) credits (
      .clk, .reset, .in(credits_in), .in_valid(credits_in_valid), .in_ready(credits_in_ready), .out(credits_out), .out_valid(credits_valid),
      .out_ready(credits_ready)
  );
  word_source #(.WORDS(12), .INTERVAL(30), .LANES(1), .BITS(32), .FLOATS(1), .SEED(1)) credits_source (
      .clk, .reset, .start, .out(credits_in), .out_valid(credits_in_valid), .out_ready(credits_in_ready), .finished(ended[0])
  );
  wire [31:0] a_in, a_out;
  wire a_in_valid, a_in_ready, a_valid, a_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(8)) a (
      .clk, .reset, .in(a_in), .in_valid(a_in_valid), .in_ready(a_in_ready), .out(a_out), .out_valid(a_valid),
      .out_ready(a_ready)
  );
  wire [31:0] b_in, b_out;
  wire b_in_valid, b_in_ready, b_valid, b_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(4)) b (
      .clk, .reset, .in(b_in), .in_valid(b_in_valid), .in_ready(b_in_ready), .out(b_out), .out_valid(b_valid),
      .out_ready(b_ready)
  );
  burst_source #(.WORDS(20), .BURSTS(12)) bursts (
      .clk, .reset, .start, .in(credits_out), .in_valid(credits_valid), .in_ready(credits_ready), .out(a_in), .out_valid(a_in_valid),
      .out_ready(a_in_ready), .finished(ended[1])
  );
  wire shift_enable;
  pipelined_process #(.INPUTS(1), .OUTPUTS(1), .DEPTH(8)) shift (
      .clk, .reset, .start, .bounds(16'(240)), .takes('1), .in_valid({a_valid}),
      .in_ready({a_ready}), .gives('1), .out_valid({b_in_valid}),
      .out_ready({b_in_ready}), .enable(shift_enable), .stage(), .first(), .last(), .counters(),
      .finished(ended[2])
  );
  fp_add shifted (.clk, .enable(shift_enable), .a(a_out), .b(32'h3f800000), .y(b_in));
  word_sink #(.WORDS(240), .INTERVAL(2)) b_sink (
      .clk, .reset, .start, .in_valid(b_valid), .in_ready(b_ready), .finished(ended[3])
  );
  assign fire[0] = b_valid && b_ready;
  assign data[0+:32] = 32'(b_out);
endmodule
