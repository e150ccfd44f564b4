// Two adders in a row between sources of different rates and a reader slower than both.
module case_chain_slow_sink (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [31:0] data
);
  wire [4:0] ended;
  assign finished = &ended;
  wire [31:0] a_in, a_out;
  wire a_in_valid, a_in_ready, a_valid, a_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(4)) a (
      .clk, .reset, .in(a_in), .in_valid(a_in_valid), .in_ready(a_in_ready), .out(a_out), .out_valid(a_valid),
      .out_ready(a_ready)
  );
  word_source #(.WORDS(300), .INTERVAL(1), .LANES(1), .BITS(32), .FLOATS(1), .SEED(1)) a_source (
      .clk, .reset, .start, .out(a_in), .out_valid(a_in_valid), .out_ready(a_in_ready), .finished(ended[0])
  );
  wire [31:0] b_in, b_out;
  wire b_in_valid, b_in_ready, b_valid, b_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(2)) b (
      .clk, .reset, .in(b_in), .in_valid(b_in_valid), .in_ready(b_in_ready), .out(b_out), .out_valid(b_valid),
      .out_ready(b_ready)
  );
  word_source #(.WORDS(300), .INTERVAL(2), .LANES(1), .BITS(32), .FLOATS(1), .SEED(2)) b_source (
      .clk, .reset, .start, .out(b_in), .out_valid(b_in_valid), .out_ready(b_in_ready), .finished(ended[1])
  );
  wire [31:0] c_in, c_out;
  wire c_in_valid, c_in_ready, c_valid, c_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(4)) c (
      .clk, .reset, .in(c_in), .in_valid(c_in_valid), .in_ready(c_in_ready), .out(c_out), .out_valid(c_valid),
      .out_ready(c_ready)
  );
  wire [31:0] d_in, d_out;
  wire d_in_valid, d_in_ready, d_valid, d_ready;
  fifo_registers #(.WIDTH(32), .DEPTH(3)) d (
      .clk, .reset, .in(d_in), .in_valid(d_in_valid), .in_ready(d_in_ready), .out(d_out), .out_valid(d_valid),
      .out_ready(d_ready)
  );
  wire add_enable;
  pipelined_process #(.INPUTS(2), .OUTPUTS(1), .DEPTH(8)) add (
      .clk, .reset, .start, .bounds(16'(300)), .takes('1), .in_valid({a_valid, b_valid}),
      .in_ready({a_ready, b_ready}), .gives('1), .out_valid({c_in_valid}),
      .out_ready({c_in_ready}), .enable(add_enable), .stage(), .first(), .last(), .counters(),
      .finished(ended[2])
  );
  fp_add sum (.clk, .enable(add_enable), .a(a_out), .b(b_out), .y(c_in));
  wire [31:0] constant = 32'h3f800000;
  wire shift_enable;
  pipelined_process #(.INPUTS(1), .OUTPUTS(1), .DEPTH(8)) shift (
      .clk, .reset, .start, .bounds(16'(300)), .takes('1), .in_valid({c_valid}),
      .in_ready({c_ready}), .gives('1), .out_valid({d_in_valid}),
      .out_ready({d_in_ready}), .enable(shift_enable), .stage(), .first(), .last(), .counters(),
      .finished(ended[3])
  );
  fp_add shifted (.clk, .enable(shift_enable), .a(c_out), .b(constant), .y(d_in));
  word_sink #(.WORDS(300), .INTERVAL(3)) d_sink (
      .clk, .reset, .start, .in_valid(d_valid), .in_ready(d_ready), .finished(ended[4])
  );
  assign fire[0] = d_valid && d_ready;
  assign data[0+:32] = 32'(d_out);
endmodule
