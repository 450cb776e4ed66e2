// What tests ask of a page of the dashboard; it is there before the page's own scripts.
window.asked = {
  ready: () => Boolean(window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle),

  models: (type) => [...Bokeh.documents[0].all_models].filter((model) => model.type === type),

  figure: (title) => asked.models("Figure").find((figure) => figure.title.text.startsWith(title)),

  // The columns of a source, as plain arrays.
  columns: (source) =>
    Object.fromEntries(Object.entries(source.data).map(([name, column]) => [name, Array.from(column)])),

  // What a figure draws: the name of each curve, and the field and the columns of its source.
  curves: (title) =>
    asked.figure(title).renderers.map((drawn) => ({
      name: drawn.name,
      field: drawn.glyph.y?.field ?? drawn.glyph.ys?.field ?? drawn.glyph.top?.field,
      columns: asked.columns(drawn.data_source),
    })),

  // The title of each figure, with the least number of values that one of its glyphs has; tables by their first column.
  values: () => {
    const known = (cell) => typeof cell === "string" || cell?.length > 0 || Number.isFinite(cell);
    const counts = {};
    for (const figure of asked.models("Figure")) {
      const curves = asked.curves(figure.title.text);
      const numbers = curves.map(({ field, columns }) => columns[field].filter(known).length);
      counts[figure.title.text] = numbers.length > 0 ? Math.min(...numbers) : 0;
    }
    for (const table of asked.models("DataTable")) {
      counts[table.columns.map((column) => column.title).join(" ")] = Object.values(table.source.data)[0].length;
    }
    return counts;
  },

  // The rows of the table that has a column of this title.
  table: (title) => {
    const tables = asked.models("DataTable");
    return asked.columns(tables.find((table) => table.columns.some((column) => column.title === title)).source);
  },

  // The place in the window of a point of a figure.
  place: (title, x, y) => {
    const view = Bokeh.index.find_one(asked.figure(title));
    const { left, top } = view.canvas_view.el.getBoundingClientRect();
    return [left + view.frame.x_scale.compute(x), top + view.frame.y_scale.compute(y)];
  },

  // All elements, those in shadow trees included.
  elements: (root = document) =>
    [...root.querySelectorAll("*")].flatMap((element) =>
      element.shadowRoot ? [element, ...asked.elements(element.shadowRoot)] : [element],
    ),

  // The text of what is shown under the pointer.
  tooltips: () =>
    asked
      .elements()
      .filter((element) => element.classList.contains("bk-tooltip-content") && element.checkVisibility())
      .map((element) => element.innerText),

  // Pictures that a name has brought, if it was taken for HTML.
  pictures: () => asked.elements().filter((element) => element.getAttribute("src") === "x").length,
};
