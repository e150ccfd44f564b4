// Hadamard transform of 128 channels in one buffer, two channels a word, three vectors.
module case_hadamard_serial (
    input  logic clk,
    input  logic reset,
    input  logic start,
    output logic finished,
    output logic [0:0] fire,
    output logic [63:0] data
);
  wire [2:0] ended;
  assign finished = &ended;
  wire [63:0] x_in, x_out;
  wire x_in_valid, x_in_ready, x_valid, x_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) x (
      .clk, .reset, .in(x_in), .in_valid(x_in_valid), .in_ready(x_in_ready), .out(x_out), .out_valid(x_valid),
      .out_ready(x_ready)
  );
  word_source #(.WORDS(192), .INTERVAL(1), .LANES(2), .BITS(32), .FLOATS(1), .SEED(1)) x_source (
      .clk, .reset, .start, .out(x_in), .out_valid(x_in_valid), .out_ready(x_in_ready), .finished(ended[0])
  );
  wire [63:0] y_in, y_out;
  wire y_in_valid, y_in_ready, y_valid, y_ready;
  fifo_registers #(.WIDTH(64), .DEPTH(2)) y (
      .clk, .reset, .in(y_in), .in_valid(y_in_valid), .in_ready(y_in_ready), .out(y_out), .out_valid(y_valid),
      .out_ready(y_ready)
  );
  hadamard_serial_process #(.N(128), .CHANNELS(2), .VECTORS(3), .FACTOR(32'h3db504f3)) transform (
      .clk, .reset, .start, .in(x_out), .in_valid(x_valid), .in_ready(x_ready), .out(y_in), .out_valid(y_in_valid),
      .out_ready(y_in_ready), .finished(ended[1])
  );
  word_sink #(.WORDS(192), .INTERVAL(1)) y_sink (
      .clk, .reset, .start, .in_valid(y_valid), .in_ready(y_ready), .finished(ended[2])
  );
  assign fire[0] = y_valid && y_ready;
  assign data[0+:64] = 64'(y_out);
endmodule
