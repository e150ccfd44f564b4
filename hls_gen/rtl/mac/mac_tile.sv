// An array of ROWS activations x COLUMNS weights of multiply-accumulates, and the registers its sums drain through.
//
// KIND 0 dsp1, 1 dsp2 packed, 2 dsp2 split, 3 dsp4, 4 lut. One step a cycle while `enable`; `first` starts the sums
// anew, `last` copies them to the drain, from which column 0, 1, 2, ... leave in the cycles after it.
// Latency: from the step with `last` to column 0 at the output: that of the cell + 1.
// C++: systolic_sub_array (systolic_linear.hpp), gemv_lane_unit with ROWS 1 (gemv.hpp): pe_array and its drain.
module mac_tile #(
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int KIND = 1,
    parameter int X_BITS = 4,
    parameter bit X_SIGNED = 0,
    parameter int W_BITS = 4,
    parameter int ACC = 19
) (
    input  logic                      clk,
    input  logic                      enable,
    input  logic                      first,
    input  logic                      last,
    input  logic [   ROWS*X_BITS-1:0] x,
    input  logic [COLUMNS*W_BITS-1:0] w,
    output logic [      ROWS*ACC-1:0] column,
    output logic                      column_0   // this is column 0 of finished sums
);
  localparam int LATENCY = KIND == 1 ? 4 : KIND == 2 || KIND == 3 ? 5 : 3;
  // When a sum starts, at the accumulators: as many cycles late as their operands.
  localparam int START = KIND == 0 ? 1 : KIND == 1 || KIND == 4 ? 2 : 4;
  wire accumulate;
  delay_line #(.WIDTH(1), .DEPTH(START)) start (.clk, .enable, .in(~first), .out(accumulate));
  wire [ROWS*COLUMNS*ACC-1:0] sums;  // row by row

  if (KIND == 3) begin : quads
    for (genvar r = 0; r < ROWS; r += 2) begin : row
      for (genvar c = 0; c < COLUMNS; c += 2) begin : cell_at
        mac_quad #(.X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC)) mac (
            .clk, .enable, .accumulate, .x(x[r*X_BITS+:2*X_BITS]), .w(w[c*W_BITS+:2*W_BITS]),
            .sums({sums[((r+1)*COLUMNS+c+1)*ACC+:ACC], sums[(r*COLUMNS+c+1)*ACC+:ACC], sums[((r+1)*COLUMNS+c)*ACC+:ACC], sums[(r*COLUMNS+c)*ACC+:ACC]})
        );
      end
    end
  end else if (KIND == 1 || KIND == 2) begin : pairs
    for (genvar r = 0; r < ROWS; ++r) begin : row
      for (genvar c = 0; c < COLUMNS; c += 2) begin : cell_at
        if (KIND == 1) begin : packed_sums
          wire [2*ACC-1:0] packed_pair;
          mac_pair_packed #(.X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC)) mac (
              .clk, .enable, .accumulate, .x(x[r*X_BITS+:X_BITS]), .w(w[c*W_BITS+:2*W_BITS]), .sums(packed_pair)
          );
          packed_pair_fields #(.ACC(ACC)) split (.pair(packed_pair), .low(sums[(r*COLUMNS+c)*ACC+:ACC]), .high(sums[(r*COLUMNS+c+1)*ACC+:ACC]));
        end else begin : split_sums
          mac_pair_split #(.X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC)) mac (
              .clk, .enable, .accumulate, .x(x[r*X_BITS+:X_BITS]), .w(w[c*W_BITS+:2*W_BITS]), .sums({sums[(r*COLUMNS+c+1)*ACC+:ACC], sums[(r*COLUMNS+c)*ACC+:ACC]})
          );
        end
      end
    end
  end else begin : singles
    for (genvar r = 0; r < ROWS; ++r) begin : row
      for (genvar c = 0; c < COLUMNS; ++c) begin : cell_at
        if (KIND == 0) begin : dsp
          mac_single #(.X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC)) mac (
              .clk, .enable, .accumulate, .x(x[r*X_BITS+:X_BITS]), .w(w[c*W_BITS+:W_BITS]), .sum(sums[(r*COLUMNS+c)*ACC+:ACC])
          );
        end else begin : fabric
          mac_lut #(.X_BITS(X_BITS), .X_SIGNED(X_SIGNED), .W_BITS(W_BITS), .ACC(ACC)) mac (
              .clk, .enable, .accumulate, .x(x[r*X_BITS+:X_BITS]), .w(w[c*W_BITS+:W_BITS]), .sum(sums[(r*COLUMNS+c)*ACC+:ACC])
          );
        end
      end
    end
  end

  wire load;
  delay_line #(.WIDTH(1), .DEPTH(LATENCY)) ready (.clk, .enable, .in(last), .out(load));
  for (genvar r = 0; r < ROWS; ++r) begin : drain
    drain_row #(.COLUMNS(COLUMNS), .ACC(ACC)) shift (
        .clk, .enable, .load, .finished(sums[r*COLUMNS*ACC+:COLUMNS*ACC]), .next(column[r*ACC+:ACC])
    );
  end
  always_ff @(posedge clk) if (enable) column_0 <= load;
endmodule
