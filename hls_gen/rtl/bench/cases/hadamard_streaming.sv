// Hadamard transform of 64 channels on a stream, read at half its rate, four vectors.
module case_hadamard_streaming (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [63:0] data
);
  wire [3:0] ended;
  assign finished = &ended;
  wire [63:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(128), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [63:0] rows_in, rows_out;
  wire rows_in_valid, rows_in_ready, rows_valid, rows_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) rows (
      .clk, .reset, .in(rows_in), .in_valid(rows_in_valid), .in_ready(rows_in_ready), .out(rows_out), .out_valid(rows_valid),
      .out_ready(rows_ready)
  );
  wire [63:0] y_in, y_out;
  wire y_in_valid, y_in_ready, y_valid, y_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) y (
      .clk, .reset, .in(y_in), .in_valid(y_in_valid), .in_ready(y_in_ready), .out(y_out), .out_valid(y_valid),
      .out_ready(y_ready)
  );
  hadamard_butterflies #(.N(64), .CHANNELS(2), .VECTORS(4)) butterflies (
      .clk, .reset, .start, .in(x_out), .in_valid(x_valid), .in_ready(x_ready), .out(rows_in), .out_valid(rows_in_valid),
      .out_ready(rows_in_ready), .finished(ended[1])
  );
  wire scale_enable;
  pipelined_process #(.DEPTH(5)) scale (
      .clk, .reset, .start, .bounds(16'(128)), .takes(1'b1), .in_valid(rows_valid), .in_ready(rows_ready), .gives(1'b1),
      .out_valid(y_in_valid), .out_ready(y_in_ready), .enable(scale_enable), .stage(), .first(), .last(), .counters(), .finished(ended[2])
  );
  fp_multiply even (.clk, .enable(scale_enable), .a(rows_out[31:0]), .b(32'h3e000000), .y(y_in[31:0]));
  fp_multiply odd (.clk, .enable(scale_enable), .a(rows_out[63:32]), .b(32'h3e000000), .y(y_in[63:32]));
  word_sink #(.WORDS(128), .INTERVAL(2)) y_sink (
      .clk, .reset, .start, .in_valid(y_valid), .in_ready(y_ready), .finished(ended[3])
  );
  assign fire[0] = y_valid && y_ready;
  assign data[0+:64] = 64'(y_out);
endmodule
