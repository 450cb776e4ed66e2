"""The frame of a report: the layout and style of its parts."""

__all__ = ["TEMPLATE"]

TEMPLATE = """
{% from macros import embed %}
{% block postamble %}
    <style>
      body { font: 13px/1.45 system-ui, sans-serif; color: #222222; background: #ffffff; }
      main { max-width: 1240px; margin: 0 auto; padding: 8px 20px 40px; }
      h1 { font-size: 22px; margin: 12px 0 2px; overflow-wrap: anywhere; }
      h2 { font-size: 15px; margin: 26px 0 6px; padding-bottom: 3px; border-bottom: 1px solid #dddddd; }
      p { margin: 2px 0 8px; }
      pre { margin: 8px 0; padding: 8px 10px; background: #f5f5f5; overflow-x: auto; }
      table { border-collapse: collapse; }
      th, td { padding: 2px 14px 2px 0; vertical-align: top; overflow-wrap: anywhere; }
      th { position: sticky; top: 0; background: #ffffff; border-bottom: 1px solid #bbbbbb; }
      td { border-bottom: 1px solid #eeeeee; font-variant-numeric: tabular-nums; }
      .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(480px, 1fr)); gap: 10px 18px; }
      .chart { min-width: 0; }
      .switches { grid-column: 1 / -1; }
      .box { max-height: 440px; overflow: auto; }
      @media print { .box { max-height: none; } h2 { break-after: avoid; } .chart { break-inside: avoid; } }
    </style>
{% endblock %}
{% block contents %}
  <main>
    <h1>{{ heading }}</h1>
    <p>{{ facts }}</p>
    {% for part in parts %}
    <section>
      <h2>{{ part.title }}</h2>
      {% if part.charts %}
      <div class="charts">
        {% for name in part.charts %}
        <div class="{{ 'switches' if name == 'switches' else 'chart' }}">{{ embed(roots[name]) }}</div>
        {% endfor %}
      </div>
      {% endif %}
      {% if part.html %}
      <div class="box">{{ part.html }}</div>
      {% endif %}
    </section>
    {% endfor %}
  </main>
{% endblock %}
"""
"""An extension of bokeh's own template. It escapes nothing: its variables are HTML already."""
