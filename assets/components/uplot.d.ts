/** What explorer.js uses of uPlot (assets/vendor/uplot), whose script stands before it. */
declare class uPlot {
  constructor(options: object, data: ArrayLike<number>[], place: HTMLElement);
  static paths: { stepped(options: { align: 1 | -1 }): object };
  readonly over: HTMLElement;
  readonly ctx: CanvasRenderingContext2D;
  readonly bbox: { left: number; width: number };
  readonly width: number;
  readonly scales: { x: { min: number; max: number } };
  valToPos(value: number, scale: "x" | "y", isInCanvasPixels?: boolean): number;
  posToVal(position: number, scale: "x" | "y"): number;
  setSize(size: { width: number; height: number }): void;
  /** Do what is given and draw at once; otherwise uPlot draws in the next microtask. */
  batch(what: () => void): void;
  redraw(rebuildPaths?: boolean): void;
  destroy(): void;
}
